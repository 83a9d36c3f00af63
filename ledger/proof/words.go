package proof

import (
	_ "embed"
	"strings"

	"github.com/go-json-experiment/json"
)

// Words has the sentences of findings, under each key in each language, with the names of
// values in braces.
//
//go:embed words.json
var Words []byte

var words = func() (w map[string]map[string]string) {
	if err := json.Unmarshal(Words, &w); err != nil {
		panic(err) // never, since it is embedded
	}
	return w
}()

// values are the values in sentences, by name.
type values map[string]string

// say returns the English sentence of a key.
func say(key string, v values) string {
	var pairs []string
	for name, value := range v {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(words[key]["en"])
}
