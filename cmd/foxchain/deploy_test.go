package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger/ledgertest"
)

// TestDashboard compares the metrics that the Grafana dashboard asks for with those that a
// node shows. The node is on a network with finality, where it shows all.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("deploy", "grafana.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
			Rest    jsontext.Value `json:",unknown"`
		}
		Rest jsontext.Value `json:",unknown"`
	}
	if err := json.Unmarshal(text, &dashboard, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	_, port := runNode(t, "--network", officeOf(t, ledgertest.Public(ledgertest.Key(1)).String()))
	program(t, 0, "info", "--node", port) // so that an op was asked
	res, err := http.Get("http://localhost:" + port + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	shown, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			names := regexp.MustCompile(`\b(foxchain|process|go)_\w+`).FindAllString(target.Expr, -1)
			if len(names) == 0 {
				t.Errorf("%s asks for no metric: %s", p.Title, target.Expr)
			}
			asked = append(asked, names...)
		}
	}
	slices.Sort(asked)
	for _, name := range slices.Compact(asked) {
		if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).Match(shown) {
			t.Errorf("the dashboard asks for %s, which no node shows", name)
		}
	}
	if len(asked) < 20 || !strings.Contains(string(text), `"uid": "${source}"`) {
		t.Errorf("%d metrics", len(asked))
	}
}
