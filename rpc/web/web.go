package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// files are the page's. They are served from the root: index.html at "/".
//
//go:embed *.html *.js *.css *.svg lib views i18n verify vendor vendor/noble-hashes/*.js
var files embed.FS

// contentType returns the type of a file of the page. The system's table is not
// used: on many Windows machines it has text/plain for JavaScript, which browsers
// refuse to run.
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
	case ".LICENSE":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// A file is one file of the page as it is sent, with and without gzip.
type file struct {
	kind          string
	plain, zipped []byte
}

// Page serves the files of the page, by path. All of them are small, and are
// compressed once.
type Page map[string]file

// New returns the page. An error is a fault of the program.
func New() (Page, error) {
	p, err := Of(files)
	if err != nil {
		return nil, err
	}
	text, err := verifyPage()
	if err == nil {
		p["/verify"], err = newFile(contentType(".html"), text)
	}
	if err != nil {
		return nil, fmt.Errorf("prepare the page: %w", err)
	}
	delete(p, "/verify/page.html") // only its frame
	return p, nil
}

// Of returns a page that consists of these files. An error is a fault of the program.
func Of(files fs.FS) (Page, error) {
	p := make(Page)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p["/"+name], err = newFile(contentType(name), text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the page: %w", err)
	}
	p["/"] = p["/index.html"]
	return p, nil
}

// takesGzip reports whether a client takes gzip. A weight of 0 says that it does not
// (RFC 9110 section 12.5.3).
func takesGzip(accepted []string) bool {
	for coding := range strings.SplitSeq(strings.Join(accepted, ","), ",") {
		name, params, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			key, weight, _ := strings.Cut(strings.TrimSpace(params), "=")
			q, err := strconv.ParseFloat(weight, 64)
			return !strings.EqualFold(key, "q") || err != nil || q > 0
		}
	}
	return false
}

func newFile(kind string, text []byte) (file, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return file{}, err
	}
	_, err = w.Write(text)
	err = errors.Join(err, w.Close())
	return file{kind, text, b.Bytes()}, err
}

// ServeHTTP serves one file. The page shows names and transactions of other nodes,
// so it may run no script but its own, and no page may frame it.
func (p Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := p[r.URL.Path]
	if !ok {
		http.Error(w, "Not found: the page is at /, the WebSocket at /ws, and there are /v1/, /healthz, /readyz and /metrics.", http.StatusNotFound)
		return
	}
	h, b := w.Header(), f.plain
	if takesGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		b = f.zipped
	}
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Content-Security-Policy", "default-src 'self'")
	if r.URL.Path == "/verify" { // which has all that it needs in itself
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'")
	}
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(b) // fails when the client has gone
}
