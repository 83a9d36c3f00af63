package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	slowDelay = 200 * time.Millisecond // each way
	slowLoss  = 0.05                   // of the frames, each way
	slowQueue = 4096                   // frames on the way; further ones are lost
)

// TestSlowLink puts a machine behind a link that delays each frame by 200 ms and loses one
// in twenty, both ways, as a bad Wi-Fi does. The machine takes part, and agrees. The link
// is made of two tap devices and this test between them, since not every kernel has netem.
func TestSlowLink(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		var clients []*client
		for range 2 {
			clients = append(clients, startNode(t, l.addHost("lan"), t.TempDir(), "--max-wait", "2s").connect())
		}
		far, link := l.addSlowHost("lan")
		clients = append(clients, startNode(t, far, t.TempDir(), "--max-wait", "2s").connect())
		eventually(t, "the far one has found the others", func() error {
			for _, c := range clients {
				if peers := c.peers(); len(peers) != len(clients) {
					return fmt.Errorf("%s has the peers %v", c.n.name, peers)
				}
			}
			return nil
		})
		const n = 60
		for i := range n {
			clients[i%3].merge(issue(i+1, 1))
			if i%10 == 9 {
				pause(t, time.Second)
			}
		}
		eventually(t, "all agree", func() error { return agreed(numberedTo(n), clients...) })
		eventually(t, "all are in blocks", func() error { return inBlocks(n, clients) })
		eventually(t, "all agree on the blocks", func() error { return agreed(numberedTo(n), clients...) })
		passed, lost := link.passed.Load(), link.lost.Load()
		t.Logf("%d frames passed, %d were lost", passed, lost)
		if lost == 0 {
			t.Error("the link lost nothing")
		}
	})
}

// A slowLink counts the frames of a slow, lossy link.
type slowLink struct{ passed, lost atomic.Int64 }

// addSlowHost makes a machine as addHost does, behind a slow link.
func (l *lab) addSlowHost(bridge string) (*host, *slowLink) {
	l.t.Helper()
	h := l.addHost(bridge)
	l.sh("ip link del %s", h.port) // with it the other end, eth0
	near, far := l.tap(h.port), l.tap("far")
	l.sh("ip link set far netns %s name eth0", h.netns)
	l.configure(h, bridge)
	link := new(slowLink)
	for _, way := range [][2]*os.File{{near, far}, {far, near}} {
		frames := make(chan slowFrame, slowQueue)
		go link.take(way[0], frames)
		go link.give(way[1], frames)
	}
	l.t.Cleanup(func() { near.Close(); far.Close() })
	return h, link
}

// tap makes an Ethernet device whose other end is the file.
func (l *lab) tap(name string) *os.File {
	l.t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		unable(l.t, "a slow link needs /dev/net/tun: %v", err)
	} else if err != nil {
		l.t.Fatal(err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		l.t.Fatalf("make tap device %s: %v", name, err)
	}
	return os.NewFile(uintptr(fd), name) // non-blocking, so Close ends its readers
}

// A slowFrame is on the way until due.
type slowFrame struct {
	bytes []byte
	due   time.Time
}

// take reads frames and puts those that are not lost on the way, until the
// device is closed.
func (s *slowLink) take(from *os.File, frames chan<- slowFrame) {
	defer close(frames)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if rand.Float64() < slowLoss {
			s.lost.Add(1)
			continue
		}
		select {
		case frames <- slowFrame{append([]byte(nil), buf[:n]...), time.Now().Add(slowDelay)}:
			s.passed.Add(1)
		default:
			s.lost.Add(1)
		}
	}
}

// give delivers frames when they are due. One that cannot be delivered (the
// device is down or closed) is lost, as on a real link.
func (s *slowLink) give(to *os.File, frames <-chan slowFrame) {
	for f := range frames {
		time.Sleep(time.Until(f.due))
		_, _ = to.Write(f.bytes)
	}
}
