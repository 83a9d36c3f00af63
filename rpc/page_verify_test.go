package rpc

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/ledger/proof"
)

// changeAll changes each value of a file, drops each key and makes each list longer and
// shorter. It returns which of these the page takes for right.
const changeAll = `((file) => {
	const root = JSON.parse(file), passed = [];
	let tried = 0;
	const attempt = (at, holder, key, values) => {
		const was = holder[key];
		for (const v of values) {
			tried++;
			if (v === undefined) delete holder[key];
			else holder[key] = v;
			try { checkProof(JSON.stringify(root)); passed.push(at + " as " + JSON.stringify(v)); } catch (e) { if (!e.field) passed.push(at + ": " + e); }
			if (was === undefined) delete holder[key];
			else holder[key] = was;
		}
	};
	const walk = (at, holder, key) => {
		const v = holder[key];
		if (Array.isArray(v)) attempt(at, holder, key, [v.slice(0, -1), [...v, v.at(-1) ?? "ab".repeat(32)]].filter((x) => x.length !== v.length));
		if (typeof v === "object" && v) {
			if (!Array.isArray(v)) attempt(at + " with a key", v, "x_", [1]);
			for (const k of Object.keys(v)) {
				if (!Array.isArray(v)) attempt(at + "." + k, v, k, [undefined]);
				walk(at + "." + k, v, k);
			}
		}
		else if (typeof v === "number") attempt(at, holder, key, [v + 1]);
		else if (typeof v === "string" && !at.match(/evidence.*name/)) attempt(at, holder, key, [(v[0] === "0" ? "1" : "0") + v.slice(1)]);
		else if (v === null || typeof v === "boolean") attempt(at, holder, key, ["00".repeat(32), 0]);
	};
	walk("", { root }, "root");
	return tried + (passed.length ? "\n" + passed.join("\n") : " found");
})`

// badProofs returns files that are no proof, by the error that the page must show.
func badProofs(right string) map[string]string {
	network := regexp.MustCompile(`"network":{[^}]*},"network_id":"[0-9a-f]*"`)
	with := func(rules map[string]any) string {
		text, _ := json.Marshal(rules)
		id, _ := ledger.Marshal(rules)
		return network.ReplaceAllLiteralString(right, fmt.Sprintf(`"network":%s,"network_id":"%x"`, text, sha256.Sum256(id)))
	}
	return map[string]string{
		"network.bits: does not have the form": with(map[string]any{"name": "a", "bits": 41}),
		"network.name: does not have the form": with(map[string]any{"name": "a\a"}),
		"network.name: does not have":          strings.Replace(right, `"network":{"name":"`, `"network":{"name":"\ud800`, 1),
		"network.keyed_only: must be left out": strings.Replace(right, `"network":{`, `"network":{"keyed_only":false,`, 1),
		"amount: must not be given twice":      strings.Replace(right, `"amount":`, `"\u0061mount":5,"amount":`, 1),
		"file: is not valid JSON":              strings.Repeat("[", 100),
		"evidence: must not be empty":          `{"evidence":[]}`,
	}
}

// TestVerifyPage saves the page /verify and opens the file. Without a node it shows for proofs
// and evidence what the program reports, in English and Chinese, and finds all changes.
func TestVerifyPage(t *testing.T) {
	o := newOffice(t)
	o.start()
	o.grow(2)
	o.finalize(1)
	o.grow(1)
	o.accuse(1, 7)
	c := o.client()
	ask := func(op string) string { return string(response[jsontext.Value](c, op)) }
	files := map[string]string{
		"final":     ask(fmt.Sprintf(`{"op":"proof","args":{"id":"%s"}}`, mint(1, 5).ID)),
		"not final": ask(fmt.Sprintf(`{"op":"proof","args":{"id":"%s"}}`, mint(3, 5).ID)),
		"evidence":  ask(`{"op":"evidence"}`),
	}
	saved := filepath.Join(t.TempDir(), "verify.html")
	resp, err := http.Get("http://" + o.addr() + "/verify")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close(), os.WriteFile(saved, text, 0o600)); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	for name, url := range map[string]string{"served": "http://" + o.addr() + "/verify", "saved": "file://" + saved} {
		p := openPage(t, url)
		p.until("checkProof !== undefined")
		for _, language := range []string{"zh", "en"} {
			p.run(fmt.Sprintf(`document.querySelector("[data-language=%s]").click()`, language))
			for _, theme := range []string{"dark", "light"} {
				if name != "served" {
					continue // it is the same
				}
				media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}
				if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
					t.Fatal(err)
				}
				p.Axe("verify, "+language+", "+theme, "")
			}
		}
		show := func(file string) string {
			out, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](fmt.Sprintf(`(() => {
				const area = document.getElementById("text");
				area.value = %s;
				area.dispatchEvent(new Event("input"));
				return [...document.querySelectorAll("#result li, #result p")].map((e) => e.textContent).join("\n");
			})()`, strconv.Quote(file))))
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		for kind, file := range files {
			f, err := proof.Check([]byte(file), nil)
			if err != nil {
				t.Fatal(kind, err)
			}
			if got, want := show(file), strings.Join(append(f.Proven, f.NotProven...), "\n"); got != want {
				t.Errorf("%s, %s: the page says\n%s\nnot\n%s", name, kind, got, want)
			}
		}
		if got := show(strings.Replace(files["final"], `"amount":5`, `"amount":6`, 1)); got != "This proves nothing. path: must lead from the transaction to the root of the first header" {
			t.Errorf("%s: changed, it is %q", name, got)
		}
		for want, file := range badProofs(files["final"]) {
			if got := show(file); !strings.Contains(got, want) {
				t.Errorf("%s: %.200s: not %q but %q", name, file, want, got)
			}
		}
		for text, want := range map[string]string{`" ".repeat(8 << 20) + "{}"`: "file: size", `"[".repeat(1 << 20)`: "file: json", `'{"a":"' + "\\n".repeat(1 << 21) + '"}'`: "version: missing"} {
			if got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`(() => { try { checkProof(`+text+`); } catch (e) { return e.message; } })()`)); err != nil || got != want {
				t.Errorf("%s: %q, %v", text, got, err)
			}
		}
		p.run(`globalThis.normalize = String.prototype.normalize; String.prototype.normalize = () => { throw new Error("odd"); }`)
		if got := show(files["final"]); got != "This page could not check it, so it is not shown to be right: Error: odd" {
			t.Errorf("%s: an error that nobody expects: %q", name, got)
		}
		p.run(`String.prototype.normalize = normalize; document.querySelector("[data-language=zh]").click()`)
		if got := show(files["final"]); !strings.Contains(got, "它已最终确定") {
			t.Errorf("%s: in Chinese it is %q", name, got)
		}
		if name == "served" {
			for look, file := range map[string]string{"good": files["final"], "bad": "{}"} {
				p.Looks("verify-"+look, func(language, theme string, width int64) {
					p.Do(chromedp.EmulateViewport(width, 800))
					p.run(fmt.Sprintf(`document.documentElement.style.colorScheme = %q; document.querySelector("[data-language=%s]").click()`, theme, language))
					show(file)
					p.until(`document.documentElement.scrollWidth <= innerWidth`)
				})
			}
			continue
		}
		for _, kind := range []string{"final", "evidence"} {
			file := files[kind]
			found, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](changeAll+"("+strconv.Quote(file)+")"))
			if err != nil || !strings.HasSuffix(found, " found") {
				t.Errorf("%s: changes %s, %v", kind, found, err)
			}
		}
	}
}
