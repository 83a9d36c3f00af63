package proof

import (
	_ "embed"
	"strings"

	"github.com/go-json-experiment/json"
)

// Words has what findings say: under each key the sentence in each language, with the
// names of values in braces.
//
//go:embed words.json
var Words []byte

var words = func() (w map[string]map[string]string) {
	if err := json.Unmarshal(Words, &w); err != nil {
		panic(err) // it is part of the program
	}
	return w
}()

// values are what sentences hold, by name.
type values map[string]string

// say returns the English sentence of a key.
func say(key string, v values) string {
	var pairs []string
	for name, value := range v {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(words[key]["en"])
}
