package tokens

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/rpc"
)

// TestTokens adds, finds, lists and revokes, and looks at what is on disk.
func TestTokens(t *testing.T) {
	d := Store{t.TempDir()}
	if list, err := d.List(); len(list) > 0 || err != nil {
		t.Fatalf("at first: %v, %v", list, err)
	}
	wall, err := d.Add("wall.board", rpc.Read)
	if err != nil {
		t.Fatal(err)
	}
	till, err := d.Add("till", rpc.Read|rpc.Submit)
	if err != nil || till == wall {
		t.Fatal(till, wall, err)
	}
	list, err := d.List()
	if err != nil || len(list) != 2 || !list[0].Used.IsZero() || list[0].Created == 0 {
		t.Fatalf("two: %+v, %v", list, err)
	}
	if found, err := d.Find(till); found != (rpc.Token{Name: "till", Scope: rpc.Read | rpc.Submit}) || err != nil {
		t.Errorf("found %+v, %v", found, err)
	}
	// Its use shows once the time of the file is another second than that of its making.
	var made Token
	for _, made = range list {
		if made.Name == "till" {
			break
		}
	}
	past := time.Unix(made.Created-3600, 0)
	made.Created -= 3600
	text, err := json.Marshal(made)
	if err != nil || os.WriteFile(d.file(made.SHA256), text, 0o600) != nil || os.Chtimes(d.file(made.SHA256), past, past) != nil {
		t.Fatal(err)
	}
	if _, err := d.Find(till); err != nil {
		t.Fatal(err)
	}
	if used, err := d.read(made.SHA256); err != nil || time.Since(used.Used) > time.Minute {
		t.Errorf("used at %v, %v", used.Used, err)
	}
	for _, wrong := range []string{"", "x", wall[1:], strings.ToUpper(wall) + "x", "../token"} {
		if _, err := d.Find(wrong); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(d.Path, "tokens", "*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || strings.Contains(string(text), wall) || strings.Contains(string(text), till) {
			t.Errorf("%s keeps a token: %s, %v", file, text, err)
		}
	}
	if err := d.Revoke("wall.board"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Find(wall); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a revoked token: %v", err)
	}
	if err := d.Revoke("wall.board"); err == nil || !strings.Contains(err.Error(), `no token "wall.board"`) {
		t.Errorf("revoked twice: %v", err)
	}
	if _, err := d.Add("till", rpc.All); err == nil || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("added twice: %v", err)
	}
}

// TestBadTokens has names that are none, too many tokens, and files that are damaged.
func TestBadTokens(t *testing.T) {
	d := Store{t.TempDir()}
	for _, name := range []string{"", ".x", "a b", "-x", "../x", strings.Repeat("x", 33), "ä", "x\n"} {
		if _, err := d.Add(name, rpc.Read); err == nil {
			t.Errorf("added %q", name)
		}
	}
	token, err := d.Add("x", rpc.Read)
	if err != nil {
		t.Fatal(err)
	}
	file := d.file(hashToken(token))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "{", `{"name":"x","scope":"all"}`, strings.Replace(string(text), `"read"`, `"root"`, 1)} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := d.Find(token); err == nil || errors.Is(err, fs.ErrNotExist) || found.Scope != 0 {
			t.Errorf("%s: found %+v, %v", bad, found, err)
		}
	}
	for n := range maxTokens {
		if err := os.WriteFile(d.file(hashToken(string(rune(n)))), []byte(`{"sha256":"`+hashToken(string(rune(n)))+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Add("y", rpc.Read); err == nil || !strings.Contains(err.Error(), "256 tokens already") {
		t.Errorf("one more: %v", err)
	}
}
