package main_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPageSigns sends from a key's account on the page of another machine, where the
// browser has no crypto.subtle. The key never leaves the page, and is in the browser's
// storage only while the box for that is ticked.
func TestPageSigns(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		l.sh("ip addr add 10.77.0.250/24 dev lan") // the machine with the browser
		c, v := visitHost(t, l, "-k", "1", "-t", "0s")
		n := c.n
		ask := func(args ...string) string { return must(t, n.host, n.dir, append(args, "--node", n.url())...) }
		made := decode[struct {
			Account string `json:"account"`
		}](t, must(t, n.host, n.dir, "keygen", "-o", "ada.pem", "--json"))
		text, err := os.ReadFile(filepath.Join(n.dir, "ada.pem"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		secrets := []string{hex.EncodeToString(block.Bytes[16:]), base64.StdEncoding.EncodeToString(block.Bytes)[24:]}
		ask("send", "issuer", made.Account, "100", "--wait")

		v.Until(`!isSecureContext && crypto.subtle === undefined`)
		v.goes("#/send")
		v.Until(`document.querySelector("#signer") !== null`)
		v.Run(`document.querySelector("#signer").open = true`)
		v.shows("#sign-help", "of a node that you trust")
		paste := func(text string) {
			t.Helper()
			v.Run(fmt.Sprintf(`document.querySelector("#sign-key").value = %q`, text))
			v.clicks("#sign-use")
		}
		paste(string(text[:60]))
		v.shows("#sign-error", "A part of the key is missing")
		paste("-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n")
		v.shows("#sign-error", "has a passphrase")
		paste(string(text))
		v.shows("#sign-account", made.Account)
		v.Until(`document.querySelector("#send-sender").value === document.querySelector("#sign-account").textContent`)
		v.types("#send-receiver", numbered(7))
		v.types("#send-amount", "30")
		v.clicks(`#view form button[type="submit"]`)
		v.shows(".receipt", "block 1")
		if out := ask("account", made.Account); !strings.Contains(out, "balance  70\n") {
			t.Errorf("%s", out)
		}

		inStorage := func(want bool) {
			t.Helper()
			v.Until(fmt.Sprintf(`JSON.stringify({...localStorage, ...sessionStorage}).includes(%q) === %v`, secrets[1], want))
		}
		inStorage(false)
		v.clicks("#sign-keep")
		inStorage(true)
		v.clicks("#sign-forget")
		inStorage(false)

		// The program reads a key that was made on the page.
		v.clicks("#sign-new")
		v.Until(`document.querySelector("#sign-text")?.value.startsWith("-----BEGIN PRIVATE KEY-----")`)
		v.clicks("#language")
		v.shows("#signer", "忘记密钥")
		fresh, account := v.reads(`document.querySelector("#sign-text").value`), v.reads(`document.querySelector("#sign-account").textContent`)
		save(t, n.dir, "new.pem", fresh)
		if out := must(t, n.host, n.dir, "sign", "--key", "new.pem", numbered(1), "1"); !strings.Contains(out, account) {
			t.Errorf("%s, not of %s", out, account)
		}
		inStorage(false)

		sent := strings.Join(v.Seen().Sent, "\n")
		if !strings.Contains(sent, `"signature"`) || !strings.Contains(sent, "/lib/keys.js") {
			t.Errorf("what was sent was not seen:\n%s", sent)
		}
		for _, secret := range append(secrets, strings.Split(fresh, "\n")[1][24:]) {
			if strings.Contains(sent, secret) {
				t.Errorf("the key left the page:\n%s", sent)
			}
		}
	})
}

// reads returns the text that an expression evaluates to.
func (v *visit) reads(expression string) string {
	v.T.Helper()
	text, err := chromedp.Run(v.Ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		v.T.Fatalf("%s: %v", expression, err)
	}
	return text
}
