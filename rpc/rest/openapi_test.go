package rest

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"foxchain/ledger/proof"
	"foxchain/rpc/api"
)

// TestDocument compares the document with the routes and their parameters, and its schemas
// with the Go types that are written: each field is in it, and no other.
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
	types := map[string]reflect.Type{}
	for _, v := range []any{api.Info{}, api.Peers{}, api.Pool{}, api.Blocks{}, api.BlockReply{}, api.BlockEvent{}, api.Receipt{}, api.Account{},
		api.Accounts{}, api.Statement{}, api.Submit{}, api.Submitted{}, api.Problem{}, proof.Proof{}} {
		shapes(reflect.TypeOf(v), types)
	}
	if got, want := slices.Sorted(maps.Keys(doc.Components.Schemas)), slices.Sorted(maps.Keys(types)); !slices.Equal(got, want) {
		t.Fatalf("schemas %v, want %v", got, want)
	}
	for name, typ := range types {
		s, fields := doc.Components.Schemas[name].Value, map[string]bool{}
		keys(typ, fields)
		if got, want := slices.Sorted(maps.Keys(s.Properties)), slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
			t.Errorf("%s has the properties %v, want %v", name, got, want)
		}
		maps.DeleteFunc(fields, func(_ string, required bool) bool { return !required })
		if got, want := slices.Sorted(slices.Values(s.Required)), slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
			t.Errorf("%s requires %v, want %v", name, got, want)
		}
	}
}

// shapes adds the structs of a type that are schemas, by name.
func shapes(t reflect.Type, to map[string]reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		shapes(t.Elem(), to)
	case reflect.Struct:
		name := t.Name()
		if t == reflect.TypeFor[proof.Header]() || t == reflect.TypeFor[proof.Tx]() { // which package api has, too
			name = "Proof" + name
		}
		if to[name] != nil || t == reflect.TypeFor[api.MaybeFinal]() { // null, or a Final
			return
		}
		to[name] = t
		eachField(t, func(f reflect.StructField) { shapes(f.Type, to) })
	}
}

// keys adds the keys of a struct, and whether each is always there.
func keys(t reflect.Type, to map[string]bool) {
	eachField(t, func(f reflect.StructField) {
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case key == "" && strings.Contains(options, "embed"):
			keys(f.Type, to)
		case key != "" && key != "-":
			to[key] = !strings.Contains(options, "omit")
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
