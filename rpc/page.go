package rpc

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strconv"
)

// The page and its files. They are served from the root: index.html at "/".
//
//go:embed web
var web embed.FS

// contentTypes of the page's files. They are not asked of the system, whose
// registry calls JavaScript text/plain on many a Windows machine, which
// browsers then refuse to run.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".json", ".webmanifest":
		return "application/json"
	}
	return "application/octet-stream"
}

// servePage serves one file of the page. It shows names and transactions that
// strangers chose, so it may run no script but its own and not be framed.
func servePage(w http.ResponseWriter, r *http.Request) {
	name := "web" + path.Clean("/"+r.URL.Path)
	if r.URL.Path == "/" {
		name = "web/index.html"
	}
	b, err := fs.ReadFile(web, name)
	if err != nil {
		http.Error(w, "Not found: the page is at /, the WebSocket at /ws, and there are /healthz, /readyz and /metrics.", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Content-Security-Policy", "default-src 'self'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(b) // the client has gone: nobody is left to tell
}
