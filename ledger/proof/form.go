package proof

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
)

// read reads a file into v, which must write the same again.
func read(file []byte, v any) error {
	if err := json.Unmarshal(file, v, json.RejectUnknownMembers(true)); err != nil {
		return fieldError(err)
	}
	return sameForm("", jsontext.Value(file), v)
}

// sameForm compares the JSON of what is at a place in a file with the JSON of what must be.
func sameForm(at jsontext.Pointer, given, want any) error {
	for _, v := range []*any{&given, &want} {
		text, err := json.Marshal(*v)
		if *v = nil; err == nil {
			err = json.Unmarshal(text, v)
		}
		if err != nil {
			return err // not reached: both were read or written just now
		}
	}
	return differ(at, given, want)
}

// differ returns the first place where a file is not in its one form.
func differ(at jsontext.Pointer, given, want any) error {
	switch want := want.(type) {
	case map[string]any:
		given, ok := given.(map[string]any)
		if !ok {
			break
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			at := at.AppendToken(key)
			if _, is := given[key]; !is {
				return fault(at, "must be given")
			}
			if err := differ(at, given[key], want[key]); err != nil {
				return err
			}
		}
		for key := range given {
			if _, is := want[key]; !is {
				return fault(at.AppendToken(key), "must be left out, since it is empty or the default")
			}
		}
		return nil
	case []any:
		given, ok := given.([]any)
		if !ok || len(given) != len(want) {
			break
		}
		for i := range want {
			if err := differ(at.AppendToken(strconv.Itoa(i)), given[i], want[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if reflect.DeepEqual(given, want) {
		return nil
	}
	text, err := json.Marshal(want)
	if err != nil {
		return err
	}
	return fault(at, fmt.Sprintf("must be written as %.200s", text))
}

// fieldError names the field of an error of package json.
func fieldError(err error) error {
	var syntax *jsontext.SyntacticError
	var value *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return fault(syntax.JSONPointer, "must not be given twice")
	case errors.As(err, &syntax):
		return fault(syntax.JSONPointer, "is not valid JSON: "+syntax.Err.Error())
	case errors.As(err, &value) && errors.Is(err, json.ErrUnknownName):
		return fault(value.JSONPointer, "is not a key of such a file")
	case errors.As(err, &value) && value.Err != nil:
		return fault(value.JSONPointer, strings.TrimPrefix(value.Err.Error(), "json: "))
	case errors.As(err, &value):
		return fault(value.JSONPointer, fmt.Sprintf("must not be a JSON %s", value.JSONKind))
	}
	return err
}

// fault returns the error of the field at a place in the file.
func fault(at jsontext.Pointer, rule string) error {
	var path strings.Builder
	for token := range at.Tokens() {
		switch _, err := strconv.ParseUint(token, 10, 32); {
		case err == nil:
			path.WriteString("[" + token + "]")
		case path.Len() > 0:
			fmt.Fprintf(&path, ".%.40s", token)
		default:
			fmt.Fprintf(&path, "%.40s", token)
		}
	}
	if path.Len() == 0 {
		path.WriteString("the file")
	}
	return &ledger.FieldError{Field: path.String(), Rule: rule}
}
