package ledger

import (
	"strings"
	"testing"
	"time"
)

func TestTextForms(t *testing.T) {
	for _, s := range []string{"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
		"6ba7b8109dad11d180b400c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b810-9dad-11d1-80b400c04-fd430c8", ""} {
		if id, err := ParseUUID(s); err == nil {
			t.Errorf("%q read as %s", s, id)
		}
	}
	if id, err := ParseUUID("6BA7B810-9dad-11D1-80b4-00c04fd430c8"); err != nil || id.String() != "6ba7b810-9dad-11d1-80b4-00c04fd430c8" {
		t.Errorf("%s, %v", id, err)
	}
	for _, s := range []string{"", "00", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("0", 63) + "g"} {
		if h, err := ParseHash(s); err == nil {
			t.Errorf("%q read as %s", s, h)
		}
	}
	if h, err := ParseHash(strings.Repeat("aB", 32)); err != nil || h.String() != strings.Repeat("ab", 32) {
		t.Errorf("%s, %v", h, err)
	}
	if got := UnixSeconds(time.Unix(1620811762, 848223000)); got != 1620811762.848223 {
		t.Errorf("%v", got)
	}
}
