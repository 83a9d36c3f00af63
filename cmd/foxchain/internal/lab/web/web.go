package web

import (
	"embed"
	"net/http"
	"path"

	"foxchain/rpc/web"
)

//go:embed *.html *.js *.css
var files embed.FS

// New returns the page, which is served from the root. An error is a fault of the
// program.
func New() (http.Handler, error) {
	p, err := web.Of(files)
	if err != nil {
		return nil, err
	}
	node, err := web.New()
	if err != nil {
		return nil, err
	}
	for name, f := range node {
		switch path.Ext(name) {
		case ".js", ".css", ".svg":
			p["/node"+name] = f
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := p[r.URL.Path]; !ok {
			http.NotFound(w, r)
			return
		}
		p.ServeHTTP(w, r)
	}), nil
}
