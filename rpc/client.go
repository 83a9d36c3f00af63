package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/websocket"
)

// Bounds of a client.
const (
	// clientReadLimit is the largest message that a client reads: one of the
	// size that a node takes itself, twice what a node's reply may be. A larger
	// one ends the connection.
	clientReadLimit = 16 << 20
	// clientPatience is how long a node may be silent. It pings every 30 s.
	clientPatience = 90 * time.Second
	// clientWrite is how long a question may take to be sent when its context
	// allows more.
	clientWrite = 30 * time.Second
	// clientDial bounds the handshake when the context allows more.
	clientDial = 15 * time.Second
	// eventBuffer is how many events wait for their reader. See Subscribe for
	// what happens beyond.
	eventBuffer = 16
)

// What went wrong between a client and its node, found by errors.Is.
var (
	ErrNoNode  = errors.New("no node answers there")       // of a Dial
	ErrRefused = errors.New("the node does not let us in") // of a Dial: it wants a token
	ErrEnded   = errors.New("the connection ended")        // while something was asked
	ErrStrange = errors.New("another version?")            // an answer that this program cannot read
)

// A Client asks one node over one WebSocket. Its methods may be called from
// any goroutine; answers are told apart by the message's "id". When the
// connection ends, every call fails with the reason, and Done is closed: a
// client never connects again by itself.
type Client struct {
	ws  *websocket.Conn
	url string

	writing chan struct{} // holds one value while a message is written

	mu      sync.Mutex
	last    uint64                // id of the newest question
	waiting map[uint64]chan Reply // by id; each takes one reply without blocking
	events  chan Event            // of the subscription; nil: none
	err     error                 // why the connection ended; set before done is closed

	closing chan struct{} // closed by Close, so that nothing waits for a reader of events
	once    sync.Once     // of closing
	done    chan struct{} // closed when the connection has ended and nothing runs
}

// Dial connects to the node at a URL like ws://localhost:9000/ws. The token may
// be empty where the node asks for none. The error says in words what is wrong:
// nothing answers (ErrNoNode), the node refuses, or what answers is no node.
func Dial(ctx context.Context, wsURL, token string) (*Client, error) {
	u, err := url.Parse(wsURL)
	if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return nil, fmt.Errorf("%q must be a URL like ws://localhost:9000/ws", wsURL)
	}
	header := make(http.Header)
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	dialer := websocket.Dialer{HandshakeTimeout: clientDial} // no proxy: nodes are near
	ws, resp, err := dialer.DialContext(ctx, u.String(), header)
	if err != nil {
		return nil, dialError(resp, err)
	}
	c := &Client{
		ws:      ws,
		url:     u.String(),
		writing: make(chan struct{}, 1),
		waiting: make(map[uint64]chan Reply),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	ws.SetReadLimit(clientReadLimit)
	pong := ws.PingHandler()
	ws.SetPingHandler(func(data string) error {
		return errors.Join(ws.SetReadDeadline(time.Now().Add(clientPatience)), pong(data))
	})
	go c.read() // ends when the connection does; Close waits for it
	return c, nil
}

// dialError puts a failed handshake into words. The node's own are in the body
// of its refusal.
func dialError(resp *http.Response, err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case resp != nil:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // gorilla has read it: at most 1 KiB
		text := strings.TrimSpace(string(body))
		if resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusMisdirectedRequest {
			return fmt.Errorf("%w (%s): %s", ErrRefused, resp.Status, text)
		}
		return fmt.Errorf("what answers there is not a node's WebSocket (%s)", resp.Status)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: the connection was refused", ErrNoNode)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: no answer in time", ErrNoNode)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("%w: %w", ErrNoNode, err)
}

// Close ends the connection and waits until nothing runs any more.
func (c *Client) Close() error {
	c.once.Do(func() { close(c.closing) })
	c.fail(errClosed)
	// The node may be gone: nobody is left to say goodbye to.
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	err := c.ws.Close()
	<-c.done
	if errors.Is(err, net.ErrClosed) {
		return nil // it had ended already
	}
	return err
}

// URL is what was dialed.
func (c *Client) URL() string { return c.url }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the connection ended, nil while it stands.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// A Reply is a node's whole answer to one op.
type Reply struct {
	Status   int            `json:"status"` // 200 and 202 are good
	Error    string         `json:"error"`  // "OK", "Accepted", or what is wrong
	Response jsontext.Value `json:"response"`
	Reason   string         `json:"reason"`           // of a refused block: which field, and why
	Refused  []Refused      `json:"refused"`          // of a merge's pool: what was not taken
	LeftOut  int            `json:"refused_left_out"` // how many more were refused than a reply can hold
}

// A Refused is one transaction of a merge that the node did not take.
type Refused struct {
	Index  int    `json:"index"` // in what was sent
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// A ReplyError is an answer that is not the one asked for: 404 for what is not
// known, 500 for what is wrong or cannot be done.
type ReplyError struct {
	Op    string
	Reply Reply
}

func (e *ReplyError) Error() string {
	if e.Reply.Reason != "" {
		return e.Reply.Error + " " + e.Reply.Reason
	}
	return e.Reply.Error
}

// Do asks for one op and gives the response, which is null where the op has
// none. args may be anything that is a JSON object, or nil. An answer that is
// not 200 or 202 is a *ReplyError. Other errors are of the connection, or ctx's.
func (c *Client) Do(ctx context.Context, op string, args any) (jsontext.Value, error) {
	r, err := c.Ask(ctx, op, args)
	switch {
	case err != nil:
		return nil, err
	case r.Status != 200 && r.Status != 202:
		return nil, &ReplyError{Op: op, Reply: r}
	case r.Response == nil:
		return jsontext.Value("null"), nil
	}
	return r.Response, nil
}

// Ask is Do for those who want the whole answer, whatever its status.
func (c *Client) Ask(ctx context.Context, op string, args any) (Reply, error) {
	id, answer, err := c.expect()
	if err != nil {
		return Reply{}, err
	}
	defer c.forget(id)
	msg, err := json.Marshal(question{Op: op, Args: args, ID: id})
	if err != nil {
		return Reply{}, fmt.Errorf("args of %q: %w", op, err)
	}
	if err := c.write(ctx, msg); err != nil {
		return Reply{}, err
	}
	select {
	case r := <-answer:
		return r, nil
	case <-ctx.Done():
		return Reply{}, context.Cause(ctx)
	case <-c.done:
	}
	select {
	case r := <-answer: // it came before the end
		return r, nil
	default:
		return Reply{}, c.Err()
	}
}

type question struct {
	Op   string `json:"op"`
	Args any    `json:"args,omitempty"`
	ID   uint64 `json:"id"`
}

func (c *Client) expect() (uint64, <-chan Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	c.last++
	answer := make(chan Reply, 1)
	c.waiting[c.last] = answer
	return c.last, answer, nil
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// write sends one message. One that is not sent in time has spoiled the
// connection: half of it may be on its way.
func (c *Client) write(ctx context.Context, msg []byte) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.done:
		return c.Err()
	}
	deadline := time.Now().Add(clientWrite)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	err := c.ws.SetWriteDeadline(deadline)
	if err == nil {
		err = c.ws.WriteMessage(websocket.TextMessage, msg)
	}
	if err != nil {
		c.fail(fmt.Errorf("%w: the node could not be sent to: %w", ErrEnded, err))
		_ = c.ws.Close() // ends the reader; the error is the one that we have
		return c.Err()
	}
	return nil
}

// fail notes why the connection ends. Only the first reason counts.
func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}
