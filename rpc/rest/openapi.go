package rest

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger/proof"
	"foxchain/rpc/api"
)

const refs = "#/components/schemas/"

// Document returns the OpenAPI document of a node of a version.
func Document(version string) []byte {
	types := huma.NewMapRegistry(refs, schemaName)
	types.RegisterTypeAlias(reflect.TypeFor[jsontext.Value](), reflect.TypeFor[api.Block]()) // of a BlockReply
	types.RegisterTypeAlias(reflect.TypeFor[api.MaybeFinal](), reflect.TypeFor[*api.Final]())
	doc := huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "foxchain", Version: version,
			Description: "A node of a small distributed ledger. From its own machine a node needs no token. From others, give one as Bearer, " +
				"or as ?token= where a client cannot set headers. Errors are problem details (RFC 9457). New keys may be added to any object.",
		},
		Servers: []*huma.Server{{URL: "/"}},
		Paths:   make(map[string]*huma.PathItem),
		Components: &huma.Components{Schemas: types, SecuritySchemes: map[string]*huma.SecurityScheme{
			"token": {Type: "http", Scheme: "bearer", Description: "The node's own, or one of foxchain token add"},
		}},
	}
	for _, rt := range routes {
		op := rt.operation(types)
		item := &huma.PathItem{Get: op}
		status := http.StatusOK
		if rt.takes != nil {
			item, status = &huma.PathItem{Post: op}, http.StatusAccepted
			op.RequestBody = &huma.RequestBody{Required: true, Content: content("application/json", types.Schema(rt.takes, true, ""))}
		}
		op.Responses[statusText(status)] = &huma.Response{Description: http.StatusText(status), Content: content("application/json", types.Schema(rt.gives, true, ""))}
		if status == http.StatusOK {
			op.Responses["200"].Headers = map[string]*huma.Param{"Link": {Description: `The rest of a list, rel="next"`, Schema: &huma.Schema{Type: "string"}}}
		}
		doc.Paths[Root+rt.path] = item
	}
	stream := events.operation(types)
	stream.Parameters = append(stream.Parameters, &huma.Param{Name: "Last-Event-ID", In: "header", Schema: &huma.Schema{Type: "string"},
		Description: "The ID of the last event that came: the events go on behind it, wherever they began"})
	stream.Responses["200"] = &huma.Response{Description: "Events block, whose data is a BlockEvent, and closed, with the reason", Content: content(eventStream, &huma.Schema{Type: "string"})}
	types.Schema(reflect.TypeFor[api.BlockEvent](), true, "")
	doc.Paths[Root+events.path] = &huma.PathItem{Get: stream}
	asWritten(types)
	text, err := doc.MarshalJSON()
	if err != nil {
		panic(err) // of what is constant: a test would see it
	}
	return text
}

// schemaName tells the shapes of a proof, which is a file, from those of package api.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if t.PkgPath() == reflect.TypeFor[proof.Proof]().PkgPath() && name != "Proof" {
		return "Proof" + name
	}
	return name
}

func statusText(status int) string { return map[int]string{200: "200", 202: "202"}[status] }

func content(kind string, s *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{kind: {Schema: s}}
}

// operation returns what a route is, but for its good response and its body.
func (rt *route) operation(types huma.Registry) *huma.Operation {
	op := &huma.Operation{
		OperationID: rt.path, Summary: rt.summary, Description: "A token needs the scope " + rt.scope + ".",
		Security: []map[string][]string{{}, {"token": {}}}, Responses: make(map[string]*huma.Response),
	}
	op.OperationID, _, _ = strings.Cut(rt.path, "/")
	for _, p := range rt.params {
		in := "query"
		if p.inPath(rt) {
			in = "path"
		}
		op.Parameters = append(op.Parameters, &huma.Param{Name: p.name, In: in, Required: in == "path", Description: p.doc, Schema: &huma.Schema{Type: p.shape}})
	}
	op.Responses["default"] = &huma.Response{Description: "What is wrong", Content: content("application/problem+json", types.Schema(reflect.TypeFor[api.Problem](), true, ""))}
	return op
}

// asWritten corrects what huma takes from Go types otherwise than package json writes
// them: a pointer to a struct is null where it is nil, and a slice never is.
func asWritten(types huma.Registry) {
	for name, s := range types.Map() {
		s.AdditionalProperties = nil // new keys may be added
		eachField(types.TypeFromRef(refs+name), func(f reflect.StructField) {
			key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if key == "" && strings.Contains(options, "embed") { // its fields stand among the others
				delete(s.Properties, f.Name)
				s.Required = slices.DeleteFunc(s.Required, func(name string) bool { return name == f.Name })
				for name, p := range types.SchemaFromRef(types.Schema(f.Type, true, "").Ref).Properties {
					s.Properties[name] = p
				}
				return
			}
			p := s.Properties[key]
			if p == nil {
				return
			}
			p.Nullable = p.Nullable && f.Type.Kind() == reflect.Pointer
			isNull := f.Type.Kind() == reflect.Pointer && !strings.Contains(options, "omit") || f.Type == reflect.TypeFor[*api.MaybeFinal]()
			switch {
			case isNull && p.Ref != "":
				s.Properties[key] = &huma.Schema{OneOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
			case isNull:
				p.Nullable = true
			}
		})
	}
}

// eachField calls f for the fields of a struct, and of those that it embeds.
func eachField(t reflect.Type, f func(reflect.StructField)) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			eachField(field.Type, f)
			continue
		}
		f(field)
	}
}
