package tokens

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/rpc"
)

// TestTokens adds, finds, lists and revokes, and looks at what is on disk.
func TestTokens(t *testing.T) {
	d := Store{t.TempDir()}
	x := &Index{Store: d, Failed: func(err error) { t.Error(err) }}
	if list, _, err := d.List(); len(list) > 0 || err != nil {
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
	list, _, err := d.List()
	if err != nil || len(list) != 2 || !list[0].Used.IsZero() || list[0].Created == 0 {
		t.Fatalf("two: %+v, %v", list, err)
	}
	if found, ok := x.Find(till, true); found != (rpc.Token{Name: "till", Scope: rpc.Read | rpc.Submit}) || !ok {
		t.Errorf("found %+v, %v", found, ok)
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
	x = &Index{Store: d, Failed: x.Failed}
	if _, ok := x.Find(till, true); !ok {
		t.Fatal("not found")
	}
	if used, err := d.read(made.SHA256); err != nil || time.Since(used.Used) > time.Minute {
		t.Errorf("used at %v, %v", used.Used, err)
	}
	for _, wrong := range []string{"", "x", wall[1:], strings.ToUpper(wall) + "x", "../token"} {
		if found, ok := x.Find(wrong, true); ok {
			t.Errorf("%q: %v", wrong, found)
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
	if found, ok := x.Find(wall, true); ok {
		t.Errorf("a revoked token: %v", found)
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
		failed := 0
		x := &Index{Store: d, Failed: func(error) { failed++ }}
		for range 2 {
			if found, ok := x.Find(token, true); ok || failed != 1 || found.Scope != 0 {
				t.Errorf("%s: found %+v, %d errors", bad, found, failed)
			}
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

// TestLinkInPlaceOfTokens checks that no token is written to where a link leads.
func TestLinkInPlaceOfTokens(t *testing.T) {
	d, elsewhere := Store{t.TempDir()}, t.TempDir()
	if err := os.Symlink(elsewhere, d.dir()); err != nil {
		t.Skip("no links here: ", err)
	}
	if _, err := d.Add("till", rpc.Read); err == nil || !strings.Contains(err.Error(), "and no link") {
		t.Errorf("a token behind a link: %v", err)
	}
	if files, err := os.ReadDir(elsewhere); err != nil || len(files) > 0 {
		t.Errorf("behind the link: %v, %v", files, err)
	}
}

// TestDamagedAmongTokens lists and revokes beside files that are none.
func TestDamagedAmongTokens(t *testing.T) {
	d := Store{t.TempDir()}
	if _, err := d.Add("x", rpc.Read); err != nil {
		t.Fatal(err)
	}
	long := d.file(strings.Repeat("a", 64))
	if err := os.WriteFile(long, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", d.file("link")); err != nil {
		t.Fatal(err)
	}
	list, damaged, err := d.List()
	if len(list) != 1 || len(damaged) != 2 || err != nil || !strings.Contains(damaged[0].Error(), long+" is damaged") {
		t.Errorf("%v, %v, %v", list, damaged, err)
	}
	if err := d.Revoke("x"); err != nil {
		t.Error(err)
	}
	if err := d.Revoke("x"); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("the one that is looked for may be one of these: %v", err)
	}
}

// TestAddAtOnce adds tokens of one name at once. At most one stays.
func TestAddAtOnce(t *testing.T) {
	for range 20 {
		d := Store{t.TempDir()}
		var wg sync.WaitGroup
		var made atomic.Int32
		for range 8 {
			wg.Go(func() {
				if _, err := d.Add("x", rpc.Read); err == nil {
					made.Add(1)
				}
			})
		}
		wg.Wait()
		if list, damaged, err := d.List(); len(list) != int(made.Load()) || len(list) > 1 || len(damaged) > 0 || err != nil {
			t.Errorf("%d made, there are %v %v %v", made.Load(), list, damaged, err)
		}
	}
}

// TestIndexReadsAgain checks that a file that could not be read is read once it can be,
// though its directory stays as it is.
func TestIndexReadsAgain(t *testing.T) {
	d := Store{t.TempDir()}
	token, err := d.Add("x", rpc.Read)
	if err != nil {
		t.Fatal(err)
	}
	file := d.file(hashToken(token))
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	x := &Index{Store: d, Failed: func(error) { failed++ }}
	if _, ok := x.Find(token, true); ok || failed != 1 {
		t.Errorf("found: %v, %d errors", ok, failed)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := x.Find(token, true); !ok || failed != 1 {
		t.Errorf("found: %v, %d errors", ok, failed)
	}
}

// TestIndexWithoutDirectory checks that an admitted token stays admitted while the
// directory cannot be listed.
func TestIndexWithoutDirectory(t *testing.T) {
	d := Store{t.TempDir()}
	token, err := d.Add("x", rpc.Read)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	x := &Index{Store: d, Failed: func(error) { failed++ }}
	if _, ok := x.Find(token, true); !ok {
		t.Fatal("not found")
	}
	away := filepath.Join(d.Path, "away")
	if err := os.Rename(d.dir(), away); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.dir(), nil, 0o600); err != nil { // a directory that cannot be listed
		t.Fatal(err)
	}
	for range 2 {
		if _, ok := x.Find(token, false); !ok || failed != 1 {
			t.Errorf("found: %v, %d errors", ok, failed)
		}
	}
	if err := errors.Join(os.Remove(d.dir()), os.Rename(away, d.dir()), d.Revoke("x")); err != nil {
		t.Fatal(err)
	}
	if _, ok := x.Find(token, false); ok {
		t.Error("a revoked token is found")
	}
}

// TestUsedOnlyWhereUsed checks that to look whether a token is still there is no use of it.
func TestUsedOnlyWhereUsed(t *testing.T) {
	d := Store{t.TempDir()}
	token, err := d.Add("x", rpc.Read)
	if err != nil {
		t.Fatal(err)
	}
	file, past := d.file(hashToken(token)), time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, past, past); err != nil {
		t.Fatal(err)
	}
	x := &Index{Store: d, Failed: func(err error) { t.Error(err) }}
	for _, used := range []bool{false, true} {
		if _, ok := x.Find(token, used); !ok {
			t.Fatal("not found")
		}
		if info, err := os.Stat(file); err != nil || (time.Since(info.ModTime()) < time.Minute) != used {
			t.Errorf("used %v: %v, %v", used, info.ModTime(), err)
		}
	}
}
