package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// infoOf returns the info of a node.
func infoOf(t *testing.T, port string) api.Info {
	t.Helper()
	return answer[api.Info](t, "info", "--node", port)
}

// office makes the key of a new data directory, and the file of a network that has this key
// among its four builders.
func office(t *testing.T) (dir, network string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "node.db")
	own := answer[madeKey](t, "keygen", "--node", "-r", dir).NodeKey
	return dir, officeOf(t, own, strings.Repeat("11", 32), strings.Repeat("22", 32), strings.Repeat("33", 32))
}

// TestBackup makes a backup of a running node while transactions are submitted, and
// restores it. The restored builder has all that was accepted before, and does not vote. It
// is the same builder only if the backup has its key.
func TestBackup(t *testing.T) {
	dir, network := office(t)
	n := startNode(t, "-p", "0", "-r", dir, "-k", "2", "-t", "0s", "--network", network)
	var before []string
	for i := range 5 { // a block has two
		id := uuid.NewString()
		wait := fmt.Sprintf("--wait=%t", i == 1) // later a block may take more than two
		program(t, 0, "send", "--node", n.port, "--from", "issuer", "--to", accountA, "--amount", "7", "--id", id, wait)
		before = append(before, id)
	}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		c, err := client.Dial(ctx, "ws://localhost:"+n.port+"/ws", "")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for ctx.Err() == nil {
			tx := fmt.Sprintf(`[{"id":"%s","sender":"00000000-0000-0000-0000-000000000000","receiver":"%s","amount":1}]`, uuid.NewString(), accountB)
			if _, err := c.MergePool(ctx, jsontext.Value(tx)); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	files := t.TempDir()
	open, secret := filepath.Join(files, "open.backup"), filepath.Join(files, "secret.backup")
	out, _ := program(t, 0, "backup", "-r", dir, "-o", open)
	checkHas(t, out, "not in it: a restored directory is a new node")
	out, _ = program(t, 0, "backup", "-r", dir, "--with-key", "-o", secret)
	checkHas(t, out, "keep the file as secret as the key")
	stop()
	load.Wait()
	_, errs := program(t, 1, "backup", "-r", dir, "-o", open)
	checkHas(t, errs, "already exists\nChoose another name: nothing is overwritten")
	if b, err := os.ReadFile(open); err != nil || bytes.Contains(b, []byte("PRIVATE")) {
		t.Errorf("the backup without the key: %v", err)
	}
	was := infoOf(t, n.port)
	n.stop()

	for _, b := range []struct {
		file string
		same bool
	}{{open, false}, {secret, true}} {
		made := filepath.Join(t.TempDir(), "restored.db")
		out, _ := program(t, 0, "restore", b.file, "-r", made)
		checkHas(t, out, "verified: ", "next: foxchain node -r ")
		_, errs := program(t, 1, "restore", b.file, "-r", made)
		checkHas(t, errs, "exists already and is no empty directory")
		_, errs = program(t, 1, "restore", b.file, "-r", b.file)
		checkHas(t, errs, "exists already and is no empty directory")
		if voted, err := os.ReadFile(filepath.Join(made, "voted")); err != nil || !strings.Contains(string(voted), was.Key.String()) {
			t.Errorf("the file voted: %q %v", voted, err)
		}
		r := startNode(t, "-p", "0", "-r", made, "--build=false", "--network", filepath.Join(made, "network.json"))
		in := infoOf(t, r.port)
		for deadline := time.Now().Add(20 * time.Second); in.Voting.View == 0 && time.Now().Before(deadline); { // the voter starts after the server
			in = infoOf(t, r.port)
		}
		if (in.Key == was.Key) != b.same || in.Network.ID != was.Network.ID || in.Blocks == 0 {
			t.Errorf("%s: key %s of %s, network %s, %d blocks", b.file, in.Key, was.Key, in.Network.ID, in.Blocks)
		}
		if b.same && !in.Voting.Mute {
			t.Errorf("a restored builder may vote: %+v", in.Voting)
		}
		for _, id := range before {
			out, _ := program(t, 0, "tx", id, "--node", r.port)
			checkHas(t, out, id)
		}
		r.stop()
	}

	// A backup of the stopped node, and files and directories that cannot be used.
	stopped := filepath.Join(files, "stopped.backup")
	program(t, 0, "backup", "-r", dir, "--network", network, "-o", stopped)
	part := filepath.Join(t.TempDir(), "restoring") // a restore was killed there
	if err := os.Mkdir(part, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"backup", "-o", filepath.Join(files, "part.backup")}, {"verify"}, {"repair"}} {
		_, errs := program(t, 1, append(command, "-r", filepath.Dir(part))...)
		checkHas(t, errs, "a restore into the data directory", "run it again")
	}
	damage(t, stopped)
}

// damage cuts a backup off at each twentieth of its length, and flips a bit there. Each
// damaged backup is refused, and leaves nothing behind.
func damage(t *testing.T, file string) {
	t.Helper()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	place := t.TempDir()
	refused := func(what string, b []byte) {
		t.Helper()
		_, _, err := node.Restore(t.Context(), bytes.NewReader(b), filepath.Join(place, "new.db"), nil)
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", what, err)
		}
		if names, err := os.ReadDir(place); err != nil || len(names) > 0 {
			t.Fatalf("%s: left behind %v %v", what, names, err)
		}
	}
	for n := range 20 {
		at := len(whole) * n / 20
		refused(fmt.Sprintf("cut off at %d of %d", at, len(whole)), whole[:at])
		turned := bytes.Clone(whole)
		turned[at] ^= 1 << (n % 8)
		refused(fmt.Sprintf("byte %d of %d turned", at, len(whole)), turned)
	}
	refused("its last byte missing", whole[:len(whole)-1])
	refused("a byte more", append(bytes.Clone(whole), 0))
	if _, _, err := node.Restore(t.Context(), bytes.NewReader(whole), filepath.Join(place, "new.db"), nil); err != nil {
		t.Errorf("the whole one: %v", err)
	}
}
