package web

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"path"
	"regexp"

	"github.com/go-json-experiment/json"

	"foxchain/ledger/proof"
)

// An import statement of a module of the page: its file, relative to that of the module.
var importPath = regexp.MustCompile(`(?m)^(import [^;"']*from |export [^;"']*from )["'](\.[^"']*)["']`)

// verifyPage returns the page /verify. It is one file, which works when it is saved. The
// modules that it shares with the page stand in it as data: URLs, under their paths.
func verifyPage() ([]byte, error) {
	urls := make(map[string]string)
	var add func(name string) error
	add = func(name string) error {
		if _, done := urls[name]; done {
			return nil
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		urls[name] = "" // none imports itself
		text = importPath.ReplaceAllFunc(text, func(statement []byte) []byte {
			m := importPath.FindSubmatch(statement)
			module := path.Join(path.Dir(name), string(m[2]))
			if err == nil {
				err = add(module)
			}
			return []byte(string(m[1]) + `"` + module + `"`)
		})
		urls[name] = "data:text/javascript;base64," + base64.StdEncoding.EncodeToString(text)
		return err
	}
	if err := add("lib/proof.js"); err != nil {
		return nil, err
	}
	imports, err := json.Marshal(map[string]any{"imports": urls}, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	page, err := fs.ReadFile(files, "verify/page.html")
	page = bytes.Replace(page, []byte("WORDS"), proof.Words, 1)
	return bytes.Replace(page, []byte("IMPORTS"), imports, 1), err
}
