package rest

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"

	"foxchain/ledger/proof"
	"foxchain/rpc/api"
)

// TestDocument compares the document with the routes and their parameters, and its schemas with
// the Go types that are written. Each has the fields of its type, with their types.
func TestDocument(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, rt := range append(slices.Clone(routes), events) {
		paths[Root+rt.path] = true
		item := doc.Paths.Value(Root + rt.path)
		if item == nil || (item.Post != nil) != rt.body || (item.Get != nil) == rt.body {
			t.Fatalf("%s: %+v", rt.path, item)
		}
		var got, want []string
		if !rt.body {
			for _, p := range item.Get.Parameters {
				if p.Value.In != "header" {
					got = append(got, p.Value.In+" "+p.Value.Name)
				}
			}
		}
		for _, p := range rt.params {
			want = append(want, map[bool]string{true: "path ", false: "query "}[p.inPath(&rt)]+p.name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v in the document, want %v", rt.path, got, want)
		}
	}
	if doc.Paths.Len() != len(paths) {
		t.Errorf("%d paths in the document, want %v", doc.Paths.Len(), paths)
	}
	var text struct {
		Components struct {
			Schemas map[string]map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal([]byte(document), &text); err != nil {
		t.Fatal(err)
	}
	schemas, types := text.Components.Schemas, map[string]reflect.Type{}
	for _, v := range []any{api.Info{}, api.Peers{}, api.Pool{}, api.Blocks{}, api.BlockReply{}, api.BlockEvent{}, api.Receipt{}, api.Account{},
		api.Accounts{}, api.Statement{}, api.Submit{}, api.Submitted{}, api.Problem{}, proof.Proof{}} {
		shapes(reflect.TypeOf(v), types)
	}
	if got, want := slices.Sorted(maps.Keys(schemas)), slices.Sorted(maps.Keys(types)); !slices.Equal(got, want) {
		t.Fatalf("schemas %v, want %v", got, want)
	}
	for name, typ := range types {
		compare(t, name, schemas[name], schemaOfFields(name, typ))
	}
}

// compare compares a schema with what its Go type makes it.
func compare(t *testing.T, name string, got, want schema) {
	t.Helper()
	if list, ok := got["required"].([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	}
	if reflect.DeepEqual(got, want) {
		return
	}
	shown, _ := got["properties"].(schema)
	fields := want["properties"].(schema)
	for key := range maps.Keys(fields) {
		if !reflect.DeepEqual(shown[key], fields[key]) {
			t.Errorf("%s.%s is %v in the document, want %v", name, key, shown[key], fields[key])
		}
	}
	delete(got, "properties")
	delete(want, "properties")
	t.Errorf("%s has the properties %v, and is %v beside them, want %v", name, slices.Sorted(maps.Keys(shown)), got, want)
}

// A schema is one as JSON has it.
type schema = map[string]any

// nulls are the fields that may be null for another reason than that they are pointers
// which are always written.
var nulls = map[string]bool{
	"Info.final": true, "Blocks.final": true, // while nothing is final
	"NewTransaction.prev_hash": true, // it is taken so, as a Tx shows it
}

// schemaOfFields returns the schema of a struct.
func schemaOfFields(name string, t reflect.Type) schema {
	fields, required := schema{}, []string{}
	eachKey(t, func(key, options string, t reflect.Type) {
		omitted := strings.Contains(options, "omit")
		fields[key] = schemaOf(t)
		if nulls[name+"."+key] || t.Kind() == reflect.Pointer && !omitted {
			fields[key] = orNull(fields[key].(schema))
		}
		if !omitted {
			required = append(required, key)
		}
	})
	s := schema{"type": "object", "properties": fields}
	if len(required) > 0 {
		slices.Sort(required)
		s["required"] = anys(required)
	}
	return s
}

// schemaOf returns the schema of a value that is not null.
func schemaOf(t reflect.Type) schema {
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return schema{"type": "string"}
	}
	switch kind := t.Kind(); kind {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Struct:
		return schema{"$ref": "#/components/schemas/" + schemaName(t)}
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Array:
		return schema{"type": "array", "items": schemaOf(t.Elem()), "minItems": float64(t.Len()), "maxItems": float64(t.Len())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Float64:
		return schema{"type": "number", "format": "double"}
	default: // an integer, or a panic
		s := schema{"type": "integer", "format": "int64"}
		if t.Bits() < 64 {
			s["format"] = "int32"
		}
		if kind >= reflect.Uint {
			s["minimum"] = 0.0
		}
		return s
	}
}

// orNull returns the schema of what is null or matches s.
func orNull(s schema) schema {
	if s["$ref"] != nil {
		return schema{"oneOf": []any{s, schema{"type": "null"}}}
	}
	s["type"] = []any{s["type"], "null"}
	return s
}

func anys(list []string) (out []any) {
	for _, v := range list {
		out = append(out, v)
	}
	return out
}

// schemaName returns the name of a struct's schema.
func schemaName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[proof.Header](), reflect.TypeFor[proof.Tx](): // which package api has, too
		return "Proof" + t.Name()
	case reflect.TypeFor[api.MaybeFinal]():
		return "Final"
	}
	name, _, _ := strings.Cut(t.Name(), "Of[") // a Pool is a PoolOf[Tx]
	return name
}

// shapes adds the structs of a type that are schemas, by name.
func shapes(t reflect.Type, to map[string]reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		shapes(t.Elem(), to)
	case reflect.Struct:
		if to[schemaName(t)] != nil || t == reflect.TypeFor[api.MaybeFinal]() {
			return
		}
		to[schemaName(t)] = t
		eachField(t, func(f reflect.StructField) { shapes(f.Type, to) })
	}
}

// eachKey calls f for the keys of a struct, with the options and the type of each.
func eachKey(t reflect.Type, f func(key, options string, t reflect.Type)) {
	eachField(t, func(field reflect.StructField) {
		key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case key == "" && strings.Contains(options, "embed"):
			eachKey(field.Type, f)
		case key != "" && key != "-":
			f(key, options, field.Type)
		}
	})
}

// eachField calls f for the fields of a struct, and of those that it embeds.
func eachField(t reflect.Type, f func(reflect.StructField)) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for field := range t.Fields() {
		if field.Anonymous {
			eachField(field.Type, f)
			continue
		}
		f(field)
	}
}
