package proof

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
)

// read reads a file into v, and checks that v is written in the same form.
func read(file []byte, v any) error {
	if err := ledger.ReadJSON(file, v); err != nil {
		return err
	}
	return sameForm("", jsontext.Value(file), v)
}

// sameForm compares the JSON given at a place in a file with the JSON wanted there. The
// error names the first difference, in the order of the keys.
func sameForm(at jsontext.Pointer, given, want any) error {
	var decs [2]*jsontext.Decoder
	for i, v := range []any{given, want} {
		text, err := json.Marshal(v)
		if err == nil {
			err = (*jsontext.Value)(&text).Canonicalize()
		}
		if err != nil {
			return err // not reached: both were read or written just now
		}
		decs[i] = jsontext.NewDecoder(bytes.NewReader(text))
	}
	has, must := decs[0], decs[1]
	for {
		got, err := has.ReadToken()
		if err == io.EOF {
			return nil
		}
		inObject, members := must.StackIndex(must.StackDepth())
		want, err2 := must.ReadToken()
		if err != nil || err2 != nil {
			return fmt.Errorf("compare: %w, %w", err, err2)
		}
		isKey := inObject == jsontext.KindBeginObject && members%2 == 0
		switch text := want.String(); {
		case got.Kind() == want.Kind() && got.String() == text:
			continue
		case isEnd(got) || isKey && !isEnd(want) && got.String() > text:
			return fault(at+must.StackPointer(), "must be given")
		case isEnd(want) || isKey:
			return fault(at+has.StackPointer(), "must be left out, since it is empty or the default")
		default:
			return fault(at+must.StackPointer(), fmt.Sprintf("must be written as %.200s", text))
		}
	}
}

// isEnd reports whether a token ends an object or a list.
func isEnd(t jsontext.Token) bool {
	return t.Kind() == jsontext.KindEndObject || t.Kind() == jsontext.KindEndArray
}

// fault returns the error of the field at a place in the file.
func fault(at jsontext.Pointer, rule string) error { return ledger.At("", at, rule) }
