package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger/store"
)

const (
	mib     = 1 << 20
	lowDisk = 1024 * mib
	noDisk  = 128 * mib

	fewFiles = 512
	noFiles  = store.OwnFiles + 32
)

func (d *doctor) disk(context.Context) []Check {
	dir := d.cfg.Dir
	if _, err := os.Stat(dir); err != nil { // it will be made there
		dir = filepath.Dir(dir)
	}
	const room = "Make room, or move the stopped node to another disk: foxchain node -r DIRECTORY"
	free, err := node.DiskFree(dir)
	reason := fmt.Sprintf("%d MiB free", free/mib)
	switch {
	case err != nil:
		return []Check{{Name: dir, State: Note, Reason: "free space is not known", Detail: err.Error()}}
	case free < noDisk:
		return found(dir, Fail, reason+": the disk is nearly full, and a node ends when it cannot write. Nothing accepted is lost", room)
	case free < lowDisk:
		return found(dir, Note, reason, room)
	}
	return found(dir, OK, fmt.Sprintf("%d GiB free", free>>30))
}

// files looks at the limit of this process, which a node started from the same shell has.
func (d *doctor) files(context.Context) []Check {
	limit := store.FileLimit()
	reason := fmt.Sprintf("a program started here may open %s files", term.Thousands(uint64(limit)))
	if limit >= fewFiles {
		return found("", OK, reason)
	}
	state := Note
	reason += fmt.Sprintf(", of which the ledger needs %d: %d connections are left for each port", store.OwnFiles, store.Sockets())
	if limit < noFiles {
		state, reason = Fail, reason+", and the node may stop for want of files"
	}
	return found("", state, reason, "Raise the limit, then start the node from the same shell: ulimit -n 4096 (as a service: LimitNOFILE=4096)")
}

// A clock is that of another node.
type clock struct {
	name  string
	ahead time.Duration
}

const clockOff = time.Minute

// clock compares this machine's clock with those of the others. One that most of them differ
// from alike is wrong itself.
func (d *doctor) clock(context.Context) []Check {
	for _, n := range d.nodes {
		// One that was never timed has not answered yet, so that its clock is not known.
		if _, tried := d.clocks[n.ID]; n.Connected && n.LatencyMS > 0 && !tried {
			d.clocks[n.ID] = clock{d.nameOf(n.ID), time.Duration(n.Clock * float64(time.Second))}
		}
	}
	var off []clock
	for _, c := range d.clocks {
		if c.ahead.Abs() > clockOff {
			off = append(off, c)
		}
	}
	slices.SortFunc(off, func(a, b clock) int { return cmp.Compare(a.ahead, b.ahead) })
	all := len(d.clocks)
	others := term.Count(all, "other node")
	switch {
	case all == 0:
		return found("", Note, "not compared: no other node has answered")
	case len(off) == 0:
		return found("", OK, "within a minute of that of "+others)
	}
	const harmless = ". Nodes connect and agree all the same, and times are shown wrong"
	if 2*len(off) > all && off[len(off)-1].ahead-off[0].ahead <= 2*clockOff {
		of := fmt.Sprintf("%d of %s", len(off), others)
		if all == 1 {
			of = off[0].name + ": one of the two is wrong"
		}
		return found("", Fail, fmt.Sprintf("this machine's clock is %s that of %s%s", offBy(-off[0].ahead), of, harmless), "To set a clock: "+setClock())
	}
	var names []string
	for _, c := range off[:min(len(off), maxOthers)] {
		names = append(names, fmt.Sprintf("%s (%s this machine's)", c.name, offBy(c.ahead)))
	}
	return found("", Fail, "wrong on "+strings.Join(names, ", ")+harmless, "There, set the clock, such as by: "+setClock())
}

// offBy returns "2h ahead of".
func offBy(d time.Duration) string {
	return term.Age(d.Abs().Round(time.Minute)) + map[bool]string{true: " behind", false: " ahead of"}[d < 0]
}

func setClock() string {
	return cmp.Or(map[string]string{"windows": "w32tm /resync", "darwin": "sudo sntp -sS time.apple.com"}[runtime.GOOS],
		"sudo timedatectl set-ntp true (without internet: sudo date -s '2026-11-29 17:00')")
}
