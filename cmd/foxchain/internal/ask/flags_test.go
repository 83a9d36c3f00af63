package ask

import "testing"

// TestNodeURL takes every form in which people name a node.
func TestNodeURL(t *testing.T) {
	for text, want := range map[string]string{
		"9001":                       "ws://localhost:9001/ws",
		"localhost":                  "ws://localhost:9000/ws",
		"fox.local":                  "ws://fox.local:9000/ws",
		"fox.local/":                 "ws://fox.local:9000/ws",
		"fox.local:9001":             "ws://fox.local:9001/ws",
		"192.168.1.7":                "ws://192.168.1.7:9000/ws",
		"[::1]":                      "ws://[::1]:9000/ws",
		"[::1]:9001":                 "ws://[::1]:9001/ws",
		"http://fox.local:9001/":     "ws://fox.local:9001/ws",
		"http://[::1]:9000/#token=x": "ws://[::1]:9000/ws",
		"https://fox.example":        "wss://fox.example/ws",
		"ws://fox.local/ws":          "ws://fox.local/ws",
		"ws://fox.local:9001":        "ws://fox.local:9001/ws",
	} {
		if got, err := nodeURL(text); got != want || err != nil {
			t.Errorf("%s: %s %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "70000", "::1", "::1:9000", "://", "ftp://fox.local/", "ws://", "a b", "ws://fox.local:90001/ws", "fox.local:0"} {
		if got, err := nodeURL(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}
