package names

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	account = "56475aa7-5463-874c-8285-df5dbf2bcab7"
	key     = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8" // its key
	other   = "00000000-0000-0000-0000-000000000003"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestBadFile checks that each broken rule is an error with the line and the reason.
func TestBadFile(t *testing.T) {
	for _, c := range []struct{ line, reason string }{
		{"ada", "must be NAME KEY, not 1 words"},
		{"ada lovelace " + other, "must be NAME KEY, not 3 words"},
		{"ada " + other[1:], "is no account and no key"},
		{"ada " + key[1:], "is no account and no key"},
		{"bo " + other, `the name "Bo" is already that of ` + account},
		{"BO " + other, `the name "Bo" is already that of ` + account},
		{"ada " + account, `already has the name "Bo"`},
		{"ada " + key, `already has the name "Bo"`},
		{"issuer " + other, "has a meaning of its own"},
		{"Issuer " + other, "has a meaning of its own"},
		{"ALL " + other, "has a meaning of its own"},
		{"cafe " + other, "could be the beginning of an account"},
		{"d83c01b5…d3ae " + other, "must be of letters"},
		{"d83c-d3ae " + other, "could be the beginning of an account"},
		{"7even " + other, "must begin with a letter"},
		{other + " " + other, "at most 32 characters"},
		{"-x " + other, "must begin with a letter"},
		{"a=b " + other, "must be of letters"},
		{"a\u202eb " + other, "must be of letters"},
		{"a\xff " + other, "must be of letters"},
		{strings.Repeat("x", 33) + " " + other, "at most 32 characters"},
	} {
		file := write(t, "# friends\nBo "+account+"\n\n"+c.line+"\n")
		_, err := Read(file)
		if err == nil || !strings.Contains(err.Error(), file+", line 4: ") || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%q: %v", c.line, err)
		}
	}
	if _, err := Read(write(t, strings.Repeat("# much\n", maxFile/7+1))); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a large file: %v", err)
	}
}

// TestAddRemove checks that other lines stay as they are, and that a name is written in
// any form.
func TestAddRemove(t *testing.T) {
	file := write(t, "# friends\nBo "+key) // without an end of line
	l, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add("Jose\u0301", strings.ToUpper(other)); err != nil {
		t.Fatal(err)
	}
	if err := l.Add("bo", other); err == nil {
		t.Error("a name was given twice")
	}
	if l, err = Read(file); err != nil {
		t.Fatal(err)
	}
	got, ok := l.Account("Jos\u00e9")
	if !ok || got.String() != other || l.Of(got) != "Jos\u00e9" {
		t.Errorf("%s %v", got, ok)
	}
	if got, ok := l.Account("Bo"); !ok || got.String() != account {
		t.Errorf("Bo is %s %v", got, ok)
	}
	if got, ok := l.Account("bo"); ok {
		t.Errorf("bo, which is written otherwise, is %s", got)
	}
	if err := l.Remove("Jose\u0301"); err != nil {
		t.Fatal(err)
	}
	if err := l.Remove("Nobody"); err == nil {
		t.Error("what was not there was removed")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "# friends\nBo "+key+"\n" {
		t.Errorf("%q %v", text, err)
	}
}

// TestNoFile checks that without a file nothing has a name.
func TestNoFile(t *testing.T) {
	for _, file := range []string{"", filepath.Join(t.TempDir(), "a", "names")} {
		l, err := Read(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := l.Account("ada"); ok {
			t.Error("ada is known")
		}
		if err := l.Add("ada", account); (err == nil) != (file != "") {
			t.Errorf("%q: %v", file, err)
		}
	}
}
