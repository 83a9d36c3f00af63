package rpc

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// The page and its files. They are served from the root: index.html at "/".
//
//go:embed web/*.html web/*.js web/*.css web/*.svg web/lib web/views web/i18n web/vendor web/vendor/noble-hashes/*.js
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
	case ".LICENSE":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// A pageFile is one file of the page as it is sent, with and without gzip.
type pageFile struct {
	kind          string
	plain, zipped []byte
}

// pageFiles serves the files of the page, by path. All of them are small, and
// they are compressed once.
type pageFiles map[string]pageFile

func newPageFiles() (pageFiles, error) {
	p := make(pageFiles)
	err := fs.WalkDir(web, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f := pageFile{kind: contentType(name)}
		if f.plain, err = fs.ReadFile(web, name); err != nil {
			return err
		}
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err = w.Write(f.plain); err != nil {
			return err
		}
		if err = w.Close(); err != nil {
			return err
		}
		f.zipped = b.Bytes()
		p[strings.TrimPrefix(name, "web")] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the page: %w", err)
	}
	p["/"] = p["/index.html"]
	return p, nil
}

// ServeHTTP serves one file. The page shows names and transactions that
// strangers chose, so it may run no script but its own and not be framed. It is
// asked for anew each time: a newer program has a newer page.
func (p pageFiles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := p[r.URL.Path]
	if !ok {
		http.Error(w, "Not found: the page is at /, the WebSocket at /ws, and there are /healthz, /readyz and /metrics.", http.StatusNotFound)
		return
	}
	h, b := w.Header(), f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		b = f.zipped
	}
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Content-Security-Policy", "default-src 'self'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(b) // the client has gone: nobody is left to tell
}
