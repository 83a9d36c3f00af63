package files

import (
	"bytes"
	"encoding/csv"
	"testing"
)

// TestPlainText: what a spreadsheet would compute stays a text, and is read back whole.
func TestPlainText(t *testing.T) {
	s := statement{csv: true}
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "a=b": "a=b", "": "", "ada, \"bo\"": "ada, \"bo\"",
	} {
		var b bytes.Buffer
		if err := s.write(&b, [][]string{{"", "", "", "", "", "-5", "", text, ""}}); err != nil {
			t.Fatal(err)
		}
		row, err := csv.NewReader(&b).Read()
		if err != nil || row[7] != want || row[5] != "-5" {
			t.Errorf("%q: %q (%v), want %q", text, row, err, want)
		}
	}
}
