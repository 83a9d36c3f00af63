package rpc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// frame returns a frame of a client. Its mask is zeros, so its bytes are what is sent.
func frame(head byte, payload string) []byte {
	b := []byte{head, 0x80 | byte(len(payload)), 0, 0, 0, 0}
	if len(payload) > 125 {
		b = append([]byte{head, 0x80 | 126}, binary.BigEndian.AppendUint16(nil, uint16(len(payload)))...)
		b = append(b, 0, 0, 0, 0)
	}
	return append(b, payload...)
}

// handshake opens a WebSocket whose frames the test writes itself.
func (l *lab) handshake() (net.Conn, *bufio.Reader) {
	l.t.Helper()
	c, err := net.Dial("tcp", l.addr())
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", l.addr())
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		l.t.Fatalf("%v, %v", res, err)
	}
	return c, r
}

// readFrame reads a frame of the server of at most 65,535 bytes.
func readFrame(r *bufio.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if n == 126 {
		var long [2]byte
		if _, err = io.ReadFull(r, long[:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return head[0] & 15, payload, err
}

// TestBrokenFrames checks that what breaks RFC 6455 is answered by the close code that it gives.
func TestBrokenFrames(t *testing.T) {
	const normal, protocol, notText = 1000, 1002, 1007
	code := func(n uint16, reason string) string { return string(binary.BigEndian.AppendUint16(nil, n)) + reason }
	l := newLab(t).start()
	for _, tt := range []struct {
		name string
		send []byte
		want int // 0: an empty close frame
	}{
		{"text that is not UTF-8", frame(0x81, "{\"op\":\"\xff\"}"), notText},
		{"text with a surrogate", frame(0x81, "\xed\xa0\x80"), notText},
		{"text that ends within a character", frame(0x81, "\"\xc3"), notText},
		{"fragments that are not UTF-8", append(frame(0x01, "\"\xc3"), frame(0x80, "\"")...), notText},
		{"a close frame", frame(0x88, code(1000, "bye")), normal},
		{"a close frame of an application", frame(0x88, code(4000, "")), 4000},
		{"an empty close frame", frame(0x88, ""), 0},
		{"a close frame of one byte", frame(0x88, "\x03"), protocol},
		{"a close frame of another byte", frame(0x88, "\x88"), protocol},
		{"an empty close frame behind a byte like its own", append(frame(0x8A, "\x88"), frame(0x88, "")...), 0},
		{"an empty close frame behind a byte like its length", append(frame(0x8A, "\x88\x81"), frame(0x88, "")...), 0},
		{"close code 1005", frame(0x88, code(1005, "")), protocol},
		{"close code 1006", frame(0x88, code(1006, "")), protocol},
		{"close code 1015", frame(0x88, code(1015, "")), protocol},
		{"close code 999", frame(0x88, code(999, "")), protocol},
		{"close code 5000", frame(0x88, code(5000, "")), protocol},
		{"a reserved bit", frame(0xC1, "{}"), protocol},
		{"another reserved bit", frame(0x91, "{}"), protocol},
		{"no mask", []byte{0x81, 0x02, '{', '}'}, protocol},
		{"an unknown opcode", frame(0x83, ""), protocol},
		{"an unknown control opcode", frame(0x8B, ""), protocol},
		{"a ping in fragments", frame(0x09, "x"), protocol},
		{"a long ping", frame(0x89, strings.Repeat("x", 126)), protocol},
		{"a continuation of nothing", frame(0x80, "{}"), protocol},
		{"a message within another", append(frame(0x01, "{"), frame(0x81, "{}")...), protocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := l.handshake()
			if _, err := c.Write(tt.send); err != nil {
				t.Fatal(err)
			}
			op, payload, err := readFrame(r)
			got := 0
			if len(payload) >= 2 {
				got = int(binary.BigEndian.Uint16(payload))
			}
			if err != nil || op != 8 || got != tt.want {
				t.Errorf("got opcode %d, code %d %q, %v", op, got, payload[min(2, len(payload)):], err)
			}
		})
	}
}

// TestFragments checks that a character may be divided between two frames.
func TestFragments(t *testing.T) {
	c, r := newLab(t).start().handshake()
	_, err := c.Write(append(append(frame(0x01, "{\"op\":\"\xc3"), frame(0x89, "ping")...), frame(0x80, "\xa9\"}")...))
	if err != nil {
		t.Fatal(err)
	}
	if op, payload, err := readFrame(r); op != 10 || string(payload) != "ping" {
		t.Errorf("got opcode %d %q, %v", op, payload, err)
	}
	if op, payload, err := readFrame(r); op != 1 || !strings.Contains(string(payload), `\"é\" is not supported`) {
		t.Errorf("got opcode %d %q, %v", op, payload, err)
	}
}

// TestVersion checks that a client of another version receives the node's version.
func TestVersion(t *testing.T) {
	l := newLab(t).start()
	for _, version := range []string{"8", "7", "0", "14", ""} {
		h := http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
		if version != "" {
			h.Set("Sec-WebSocket-Version", version)
		}
		if res := l.get("/ws", "", h); res.StatusCode != http.StatusUpgradeRequired || res.Header.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("version %q: %d %v", version, res.StatusCode, res.Header)
		}
	}
}

// TestSendsFromItsReader checks that a client that reads nothing while it sends, as a
// tracker does from inside its reader, gets all its replies in order.
func TestSendsFromItsReader(t *testing.T) {
	l := slowLab(t, func(*limits) {})
	c := l.slowClient()
	large := `{"op":"time"` + strings.Repeat(" ", 1<<20) + `}`
	c.send(`{"op":"blocks"}`) // more than the kernel keeps for a client that does not read
	for i := range 20 {
		_ = c.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if err := c.ws.WriteMessage(websocket.TextMessage, []byte(large)); err != nil {
			t.Fatalf("message %d could not be sent before the reply was read: %v", i, err)
		}
	}
	if got := c.next(); !strings.HasPrefix(got, `{"status":200,"error":"OK","response":{"blocks":[`) {
		t.Errorf("got %.100s", got)
	}
	for range 20 {
		if got := c.next(); !strings.HasPrefix(got, `{"status":200,"error":"OK","response":{"time":`) {
			t.Errorf("got %.100s", got)
		}
	}
}

// TestRepliesBeforeTheEnd checks that a client that ends its side, by a close frame or
// without, gets the replies to what it sent before.
func TestRepliesBeforeTheEnd(t *testing.T) {
	l := newLab(t).start()
	for _, end := range []func(net.Conn) error{
		func(c net.Conn) error { _, err := c.Write(frame(0x88, "")); return err },
		func(c net.Conn) error { return c.(*net.TCPConn).CloseWrite() },
	} {
		c, r := l.handshake()
		const n = 100
		_, err := c.Write(bytes.Repeat(frame(0x81, `{"op":"time"}`), n))
		if err := errors.Join(err, end(c)); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if op, payload, err := readFrame(r); op != 1 {
				t.Fatalf("reply %d: opcode %d %q, %v", i, op, payload, err)
			}
		}
	}
}
