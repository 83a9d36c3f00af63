package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
)

// answering serves a WebSocket that answers each message with reply, where the message's
// id replaces %s. Without a reply it ends the connection.
func answering(t *testing.T, reply string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for n := 1; ; n++ {
			if _, _, err := ws.ReadMessage(); err != nil || reply == "" {
				return
			}
			if err := ws.WriteMessage(websocket.TextMessage, []byte(fmt.Sprintf(reply, strconv.Itoa(n)))); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http", "ws", 1) + "/ws"
}

// TestLostAnswer checks that send names the transaction, and claims nothing, if the node has
// accepted it and its answer is lost.
func TestLostAnswer(t *testing.T) {
	_, port := runNode(t)
	key := filepath.Join(t.TempDir(), "ada.key")
	program(t, 0, "keygen", "-o", key)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer client.Close()
		node, _, err := websocket.DefaultDialer.Dial("ws://localhost:"+port+"/ws", nil)
		if err != nil {
			return
		}
		defer node.Close()
		for {
			_, question, err := client.ReadMessage()
			if err != nil || node.WriteMessage(websocket.TextMessage, question) != nil {
				return
			}
			_, answer, err := node.ReadMessage()
			if err != nil || strings.Contains(string(question), `"merge"`) || client.WriteMessage(websocket.TextMessage, answer) != nil {
				return
			}
		}
	}))
	defer server.Close()
	at := strings.Replace(server.URL, "http", "ws", 1) + "/ws"
	signed, _ := program(t, 0, "sign", "--key", key, accountA, "5")
	file := save(t, filepath.Join(t.TempDir(), "pay.json"), signed)
	for again, args := range map[string][]string{
		"--id ":                    {"send", "issuer", accountA, "5", "--node", at},
		"Submitting the same text": {"submit", file, "--node", at},
	} {
		_, errs := program(t, 1, args...)
		checkHas(t, errs, "it is not known whether the node has accepted the transaction", again)
		_, after, _ := strings.Cut(errs, "To find out: foxchain ")
		line, _, _ := strings.Cut(after, ". ")
		out, _ := program(t, 0, strings.Fields(line)...)
		checkHas(t, out, map[string]string{"send": "pooled", "submit": "waiting"}[args[0]])
	}
}

// TestErrorsSayWhatToTry goes through what can go wrong with each command. Every error
// has the reason, and on a line of its own what to try next.
func TestErrorsSayWhatToTry(t *testing.T) {
	dir, port := runNode(t)
	tmp := t.TempDir()
	file := func(name, content string) string { return save(t, filepath.Join(tmp, name), content) }
	file("endpoint", `{"url":"ws://localhost:1/ws","token":"t"}`)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Refused: no token.", http.StatusUnauthorized)
	}))
	defer refusing.Close()
	site := httptest.NewServer(http.NotFoundHandler())
	defer site.Close()
	on, damaged := "--node="+port, t.TempDir()
	save(t, filepath.Join(damaged, "endpoint"), "{")
	key := filepath.Join(dir, "node.key")
	written, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	forNodes, err := os.ReadFile(filepath.Join(dir, "port"))
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.NewString()
	program(t, 0, "send", on, "--from", "issuer", "--to", accountA, "--amount", "5", "--id", id)

	for _, c := range []struct {
		args         string
		code         int
		reason, next string
	}{
		// Of the command line, with the command's help.
		{"fly", 2, `no command "fly"`, "See: foxchain --help"},
		{"help fly", 2, `no command "fly"`, "See: foxchain --help"},
		{"fly --high", 2, `no command "fly"`, "See: foxchain --help"},
		{"balance me", 2, `no command "balance"; did you mean account?`, "See: foxchain --help"},
		{"status", 2, "did you mean info?", "See: foxchain --help"},
		{"transfer issuer me 5", 2, "did you mean send?", "See: foxchain --help"},
		{"start", 2, "did you mean node?", "See: foxchain --help"},
		{"info -p 9001", 2, "To ask the node at a port: --node PORT", "See: foxchain info --help"},
		{"keygen -p 9001", 2, "unknown shorthand flag: 'p'", "See: foxchain keygen --help"},
		{"info --port 9001", 2, "To ask the node at a port: --node PORT", "See: foxchain info --help"},
		{"names add me", 2, "not 1 argument\n", "See: foxchain names add --help"},
		{"account 小红 " + on, 2, "not 2 characters", "See: foxchain account --help"},
		{"blocks 7", 2, "takes no arguments", "See: foxchain blocks --help"},
		{"block", 2, "block needs a height", "See: foxchain block --help"},
		{"block xyz", 2, "neither a height nor a hash", "See: foxchain block --help"},
		{"tx xyz", 2, `the ID "xyz" must be`, "See: foxchain tx --help"},
		{"account xyz " + on, 2, `the account "xyz" must be`, "See: foxchain account --help"},
		{"account issuer --limit 0 " + on, 2, "--limit is 0", "See: foxchain account --help"},
		{"account issuer --limit 1001 " + on, 2, "--limit is 1001: must be a number of transactions from 1 to 1000", "See: foxchain account --help"},
		{"accounts --limit 1001", 2, "--limit is 1001: must be a number of accounts from 1 to 1000", "See: foxchain accounts --help"},
		{"accounts zoe", 2, "is not the first hex digits of accounts", "See: foxchain accounts --help"},
		{"accounts --by name --limit 5", 2, "leave the rest out", "See: foxchain accounts --help"},
		{"bench --only commit-all", 2, "needs more than one node: --nodes 2", "See: foxchain bench --help"},
		{"pool --limit -1", 2, "--limit is -1", "See: foxchain pool --help"},
		{"pool --start x", 2, `--start is "x": must be a non-negative integer`, "See: foxchain pool --help"},
		{"watch --events told", 2, "--told ID", "See: foxchain watch --help"},
		{"watch --events birds", 2, "the kinds of events are status, peers, block, pool, final, evidence, told", "See: foxchain watch --help"},
		{"send --to issuer --amount 0", 2, "must be an integer from 1", "See: foxchain send --help"},
		{"send --to issuer --amount 1", 2, "--from is missing", "See: foxchain send --help"},
		{"info --node ://", 2, "must be a URL such as", "See: foxchain info --help"},
		{"info --node ::1", 2, "is written in brackets", "See: foxchain info --help"},
		{"info --node 70000", 2, "a port is a number from 1 to 65535", "See: foxchain info --help"},
		{"info --node ws://localhost:90001/ws", 2, "a port is a number from 1 to 65535", "See: foxchain info --help"},
		{"info --node 9000 -r x", 2, "--node and -r both name a node", "See: foxchain info --help"},
		{"doctor --node 9000 -r x", 2, "--node and -r both name a node", "See: foxchain doctor --help"},
		{"info --node ws://h:x/ws?token=s", 2, "--node is \"ws://h:x/ws\"", "See: foxchain info --help"},
		{"builder ws://a:1/ws --node 1", 2, "the node is given twice", "See: foxchain builder --help"},
		{"builder -k 0", 2, "-k is 0", "See: foxchain builder --help"},
		{"devnet -n 99", 2, "-n is 99", "See: foxchain devnet --help"},
		{"lab -n 2", 2, "-n is 2: a lab has 3 to 20 nodes", "See: foxchain lab --help"},
		{"lab --check no-such", 1, "there is no lesson \"no-such\"", "split-and-heal"},
		{"lab --check --lang fr", 2, "--lang is \"fr\"", "See: foxchain lab --help"},
		{"node -p 70000", 2, "-p is 70000", "See: foxchain node --help"},
		{"node --log-format xml", 2, "must be text or json", "See: foxchain node --help"},
		{"node --log-level loud", 2, "must be debug, info, warn or error", "See: foxchain node --help"},
		{"keygen", 2, "keygen needs -o FILE", "See: foxchain keygen --help"},

		// Of the way to the node.
		{"info --node 1", 1, "no node answers there", "To start one: foxchain node. To use another"},
		{"peers --node 1", 1, "no node answers there", "To start one: foxchain node. To use another"},
		{"watch --node 1", 1, "no node answers there", "To start one: foxchain node. To use another"},
		{"builder --node 1", 1, "no node answers there", "To start one: foxchain node. To use another"},
		{"info -r " + tmp + "/none", 1, "no node runs on", "To start one: foxchain node -r " + tmp + "/none"},
		{"info -r " + tmp, 1, "does not answer at ws://localhost:1/ws", "To start it again: foxchain node -r " + tmp},
		{"doctor --mdns=false -r " + damaged, 1, "endpoint is damaged", "start the node again"},
		{"info --node " + refusing.URL, 1, "does not let us in (401 Unauthorized): Refused: no token.", "--token TOKEN, or use -r DIRECTORY"},
		{"info --node " + strings.TrimSpace(string(forNodes)), 1, "what listens there is not a node's WebSocket: malformed HTTP response", "A node prints the URL of its WebSocket"},
		{"info --node no..host", 1, "no node answers there: this machine does not find the name no..host\n", "To start one: foxchain node. To use another"},
		{"info --node " + site.URL, 1, "not a node's WebSocket (404", "A node prints the URL of its WebSocket"},

		// Of its answers.
		{"block 99 " + on, 3, "Block 99 is not known here", "To list blocks: foxchain blocks"},
		{"tx " + uuid.NewString() + " " + on, 3, "is not known here", "To list the transactions that are in no block yet: foxchain pool"},
		{"block 0000ffff " + on, 3, "A block that begins with 0000ffff is not known here", "To list blocks: foxchain blocks"},
		{"tx ffffffff " + on, 3, "A transaction that begins with ffffffff is not known", "foxchain pool"},
		{"account ffff…ffff " + on, 3, "An account that begins with ffff and ends with ffff is not known", "foxchain pool --full"},
		{"forget nobody " + on, 1, "no node is known by \"nobody\"", "To list the nodes: foxchain peers --full"},
		{"register nonsense " + on, 1, "args.addr", "A node prints its addresses"},
		{"send --from issuer --to issuer --amount 1 " + on, 1, "was not accepted", "To show an account's balance: foxchain account"},
		{"send --from issuer --to " + accountA + " --amount 6 --id " + id + " " + on, 1, "was not accepted", "To show a transaction: foxchain tx"},
		{"send --key " + key + " --from " + accountA + " --to issuer --amount 1 " + on, 1, "but the account of", "Leave --from out, or use the key of that account"},
		{"send --key " + tmp + "/none.pem --to issuer --amount 1 " + on, 1, "read the key", "foxchain keygen -o FILE"},
		{"pool --node " + answering(t, ""), 1, "the connection ended", "To check whether it runs again: foxchain info"},
		{"pool --node " + answering(t, `{"status":200,"response":[],"id":%s}`), 1, "is not as this program expects it", "foxchain version"},
		{"pool --node " + answering(t, `{"status":500,"error":"no disk","id":%s}`), 1, "no disk", "To check the node: foxchain info"},
		{"pool --node " + answering(t, `{"status":404,"error":"Operation \"pool\" is not supported","id":%s}`), 3, "not supported", "another version than this program"},
		{"watch --from 0 --node " + answering(t, `{"status":404,"error":"Block x","id":%s}`), 3, "Block x", "--from HEIGHT"},

		// Of files, and of the node itself.
		{"keygen -o " + key, 1, "a key is never overwritten", "Choose another file"},
		{"keygen -o x --node", 2, "cannot go together", "See: foxchain keygen --help"},
		{"keygen -o x -r 9000.db", 2, "-r is for --node", "See: foxchain keygen --help"},
		{"token make", 2, "token takes add, list or revoke", "See: foxchain token --help"},
		{"token list", 2, "foxchain: token list needs -r DIR", "See: foxchain token list --help"},
		{"token list -r " + tmp + "/none", 1, "is not the data directory of a node", "To start one: foxchain node -r " + tmp + "/none"},
		{"token add x -r " + dir, 2, "say what the token is for: --scope read,", "See: foxchain token add --help"},
		{"token add x --scope root -r " + dir, 2, `"root" is no scope: it must be read, submit, read,submit or all`, "See: foxchain token add --help"},
		{"token add x/y --scope read -r " + dir, 1, "is no name for a token", "foxchain token list -r " + dir},
		{"token revoke x -r " + dir, 1, `there is no token "x"`, "foxchain token list -r " + dir},
		{"restore " + key + " -r " + dir, 1, "exists already and is no empty directory\n", "Choose another one, since nothing is overwritten"},
		{"restore " + key + " -r " + tmp + "/none/made", 1, "no such file", "Check the name, and the directory that you are in"},
		{"export -o " + key + " " + on, 1, "already exists", "Choose another name: nothing is overwritten"},
		{"lab -p " + port, 1, "which another program or lab may use", "choose another port with -p"},
		{"restore " + tmp + "/none -r " + tmp + "/made", 1, "no such file", "Check the name, and the directory that you are in"},
		{"submit " + tmp + "/none " + on, 1, "no such file", "Check the name, and the directory that you are in"},
		{"proof check " + tmp + "/none", 1, "no such file", "Check the name, and the directory that you are in"},
		{"psk old", 2, "psk takes new", "See: foxchain psk --help"},
		{"psk new " + key, 1, "a key is never overwritten", "Choose another file"},
		{"keygen -o " + tmp + "/none/me.pem", 1, "write the key", "Check the name, and the directory that you are in"},
		{"node -p 0 -r " + tmp + "/n --network " + tmp + "/none.json", 1, "read the network's file", `Such a file is {"name": "office"}`},
		{"node -p 0 -r " + tmp + "/n --network office.yaml", 1, "looks like a file", "write ./office.yaml"},
		{"node -p 0 -r " + tmp + "/n --network " + file("bad.json", `{"nam":"x"}`), 1, "bad.json", `Such a file is {"name": "office"}`},
		{"node -p 0 -r " + tmp + "/n --mdns=false --psk " + tmp + "/none.psk", 2, "--psk", "copy it from one of them"},
		{"node -p 0 -r " + tmp + "/n --mdns=false --psk " + file("bad.psk", "x"), 2, "--psk", "copy it from one of them"},
		{"node -p 0 -r " + dir, 1, "another node uses the data directory", "choose another directory with -r"},
		{"node -p " + port + " -r " + tmp + "/m", 1, "in use", "choose another port with -p"},
		{"node -p 0 -r " + file("plain", "") + "/x", 1, "make the data directory", "Choose another with -r"},
	} {
		t.Run(c.args, func(t *testing.T) {
			out, errs := program(t, c.code, strings.Fields(c.args)...)
			if out != "" {
				t.Errorf("on standard output:\n%s", out)
			}
			checkHas(t, errs, c.reason, c.next)
		})
	}
	scripted(t, 0, map[string]string{"FOXCHAIN_TOKEN": "of another node"}, "info", "-r", dir)
	if now, err := os.ReadFile(key); err != nil || !bytes.Equal(now, written) {
		t.Errorf("the key is now %q, %v", now, err)
	}
}

// TestServiceLinkWarning checks that the warning is in the form of the log.
func TestServiceLinkWarning(t *testing.T) {
	env := func(name string) (string, bool) { return "tcp://10.96.0.12:9000", name == "FOXCHAIN_PORT" }
	for format, begin := range map[string]string{"text": "foxchain: passed over FOXCHAIN_PORT", "json": `{"time":`} {
		var out, errs strings.Builder
		run(t.Context(), []string{"node", "--log-format", format, "-k", "0"}, &out, &errs, env)
		if !strings.HasPrefix(errs.String(), begin) || !strings.Contains(errs.String(), "passed over FOXCHAIN_PORT") {
			t.Errorf("%s: %s", format, errs.String())
		}
	}
}
