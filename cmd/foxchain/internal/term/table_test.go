package term

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestTableAligns(t *testing.T) {
	tab := NewTable("NAME", ">BLOCKS", "STATE")
	tab.Add("fox", 7, "connected")
	tab.Add("小狐狸", 12345, "")
	tab.Add("a\x1b[2Jb\nc", 1, "x")
	var b strings.Builder
	if err := tab.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"NAME      BLOCKS  STATE\n" +
		"fox            7  connected\n" +
		"小狐狸     12345\n" +
		"a\uFFFD[2Jb c       1  x\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestFactsHaveNoHeader(t *testing.T) {
	f := NewFacts()
	f.Add("block", 17)
	f.Add("confirmations", 3)
	var b strings.Builder
	if err := f.Print(&b); err != nil {
		t.Fatal(err)
	}
	if want := "block          17\nconfirmations  3\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "now", 0: "now", 7 * time.Second: "7s", 90 * time.Second: "1m",
		3 * time.Hour: "3h", 47 * time.Hour: "47h", 5 * 24 * time.Hour: "5d",
	} {
		if got := Age(d); got != want {
			t.Errorf("age(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestShortForms(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{ShortHash(strings.Repeat("ab", 32)), "abababababab"},
		{ShortHash("ab"), "ab"},
		{ShortAccount(ZeroAccount), "00000000…0000"},
		{ShortAccount("0f0e0d0c-0b0a-4908-8706-050403020100"), "0f0e0d0c…0100"},
		{ShortAccount("no account"), "no account"},
		{Count(1, "block"), "1 block"},
		{Count(uint64(2), "block"), "2 blocks"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestNarrowTable checks that columns that do not fit are on lines below, each under its
// header, and that no cell is cut in two. A last column that fits stays where it is.
func TestNarrowTable(t *testing.T) {
	tab := NewTable("ID", ">AMOUNT", "FROM", ">AGE", "STATE")
	tab.Add("0123456789", 5, "小狐狸", "2m", "ready")
	tab.Add("0123456789", 12345, "", "now", "waits: sender holds nothing")
	tab.Add("0123456789", 12345, "", "", "")
	rows := append([][]cell{{{text: "ID"}, {text: "AMOUNT"}, {text: "FROM"}, {text: "AGE"}, {text: "STATE"}}}, tab.rows...)
	for most, want := range map[int]string{
		20: "" +
			"ID          AMOUNT\n" +
			"  FROM    AGE  STATE\n" +
			"0123456789       5\n" +
			"  小狐狸   2m  ready\n" +
			"0123456789   12345\n" +
			"          now\n" +
			"  waits: sender holds nothing\n" +
			"0123456789   12345\n",
		38: "" +
			"ID          AMOUNT  FROM    AGE  STATE\n" +
			"0123456789       5  小狐狸   2m  ready\n" +
			"0123456789   12345          now\n" +
			"  waits: sender holds nothing\n" +
			"0123456789   12345\n",
	} {
		var b strings.Builder
		if err := tab.write(&b, rows, most); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%d cells: got\n%s\nwant\n%s", most, b.String(), want)
		}
	}
}

// TestShellWord gives words to a real shell, which must read them as they are.
func TestShellWord(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs sh")
	}
	for _, s := range []string{"a.db", "a b", "$HOME", "it's", `back\slash`, "`date`", `"quoted"!`} {
		out, err := exec.Command("sh", "-c", "printf %s "+ShellWord(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q as %s is %q, %v", s, ShellWord(s), out, err)
		}
	}
}
