package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
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

	"foxchain/rpc/api"
)

// Bounds of a client.
const (
	// ReadLimit is the largest message that a client reads: one of the
	// size that a node takes itself, twice what a node's reply may be. A larger
	// one ends the connection.
	ReadLimit = 16 << 20
	// patience is how long a node may be silent. It pings every 30 s.
	patience = 90 * time.Second
	// writeTime is how long a question may take to be sent when its context
	// allows more, and grace what it has left when that ends, since other calls need
	// the connection.
	writeTime, grace = 30 * time.Second, time.Second
	// dialTime bounds the handshake when the context allows more.
	dialTime = 15 * time.Second
	// largeBuffer is the size above which the buffer of a message is not kept.
	largeBuffer = 1 << 20
	// EventBuffer is how many events wait for their reader. See Subscribe for
	// what happens beyond.
	EventBuffer = 16
)

// What went wrong between a client and its node, found by errors.Is.
var (
	ErrNoNode  = errors.New("no node answers there")       // of a Dial
	ErrRefused = errors.New("the node does not let us in") // of a Dial: it wants a token
	ErrEnded   = errors.New("the connection ended")        // while something was asked
	ErrStrange = errors.New("another version?")            // an answer that this program cannot read
)

// A Client asks one node over one WebSocket. Its methods may be called from
// any goroutine; answers are matched by the message's "id". When the
// connection ends, every call fails with the reason: a client never connects again
// by itself.
type Client struct {
	ws *websocket.Conn

	writing chan struct{} // holds one value while a message is written

	mu      sync.Mutex
	last    uint64                    // id of the newest question
	waiting map[uint64]chan api.Reply // by id; each takes one reply without blocking
	events  chan api.Event            // of the subscription; nil: none

	ended context.Context         // when the connection does, or Close is called; its cause is why
	end   context.CancelCauseFunc // only the first cause counts
	done  chan struct{}           // closed when the connection has ended and nothing runs
}

// Dial connects to the node at a URL like ws://localhost:9000/ws. The token may
// be empty where the node asks for none. The error is what is wrong, in words:
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
	dialer := websocket.Dialer{HandshakeTimeout: dialTime, NetDialContext: dialHost} // no proxy: nodes are near
	ws, resp, err := dialer.DialContext(ctx, u.String(), header)
	if err != nil {
		return nil, dialError(resp, err)
	}
	return newClient(ws), nil
}

func newClient(ws *websocket.Conn) *Client {
	c := &Client{
		ws:      ws,
		writing: make(chan struct{}, 1),
		waiting: make(map[uint64]chan api.Reply),
		done:    make(chan struct{}),
	}
	c.ended, c.end = context.WithCancelCause(context.Background())
	ws.SetReadLimit(ReadLimit)
	pong := ws.PingHandler()
	ws.SetPingHandler(func(data string) error {
		return errors.Join(ws.SetReadDeadline(time.Now().Add(patience)), pong(data))
	})
	go c.read() // ends when the connection does; Close waits for it
	return c
}

// dialHost dials a host. localhost is 127.0.0.1, else ::1 (RFC 6761, section 6.3),
// whether or not the system's hosts file has that name.
func dialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	host, port, err := net.SplitHostPort(addr)
	if name := strings.TrimSuffix(strings.ToLower(host), "."); err != nil || name != "localhost" {
		return d.DialContext(ctx, network, addr)
	}
	conn, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		if other, err6 := d.DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
			return other, nil
		}
	}
	return conn, err
}

// dialError puts a failed handshake into words. The node's own are in the body
// of its refusal.
func dialError(resp *http.Response, err error) error {
	var (
		timeout interface{ Timeout() bool }
		name    *net.DNSError
		cert    *tls.CertificateVerificationError
		system  *net.OpError
	)
	switch {
	case resp != nil:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // gorilla has read it: at most 1 KiB
		text := strings.TrimSpace(string(body))
		switch resp.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest:
			return fmt.Errorf("%w (%s): %s", ErrRefused, resp.Status, text)
		}
		return fmt.Errorf("the server there is not a node's WebSocket (%s)", resp.Status)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: the connection was refused", ErrNoNode)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: no answer in time", ErrNoNode)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &name):
		return fmt.Errorf("%w: this machine does not find the name %s", ErrNoNode, name.Name)
	case errors.As(err, &cert):
		return fmt.Errorf("this machine does not trust the certificate of the server there: %w", err)
	case !errors.As(err, &system) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("what listens there is not a node's WebSocket: %w", err) // such as the port for other nodes
	}
	return fmt.Errorf("%w: %w", ErrNoNode, err)
}

// Close ends the connection and waits until nothing runs any more.
func (c *Client) Close() error {
	c.end(ErrClosed)
	// An error means that the node is gone.
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	err := c.ws.Close()
	<-c.done
	if errors.Is(err, net.ErrClosed) {
		return nil // it had ended already
	}
	return err
}

// Err returns why the connection ended, nil while it stands.
func (c *Client) Err() error { return context.Cause(c.ended) }

// A ReplyError is an answer that is not the one asked for: 404 for what is not
// known, 500 for what is wrong or cannot be done.
type ReplyError struct {
	Op    string
	Reply api.Reply
}

func (e *ReplyError) Error() string {
	if e.Reply.Reason != "" {
		return e.Reply.Error + " " + e.Reply.Reason
	}
	return e.Reply.Error
}

// Do asks for one op and returns the response, which is null where the op has
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

// Ask is Do, but returns the whole answer, whatever its status.
func (c *Client) Ask(ctx context.Context, op string, args any) (api.Reply, error) {
	id, answer := c.expect()
	defer c.forget(id)
	msg, err := json.Marshal(question{Op: op, Args: args, ID: id})
	if err != nil {
		return api.Reply{}, fmt.Errorf("args of %q: %w", op, err)
	}
	if err := c.write(ctx, msg); err != nil {
		return api.Reply{}, err
	}
	select {
	case r := <-answer:
		return r, nil
	case <-ctx.Done():
		return api.Reply{}, context.Cause(ctx)
	case <-c.done:
	}
	select {
	case r := <-answer: // it came before the end
		return r, nil
	default:
		return api.Reply{}, c.Err()
	}
}

type question struct {
	Op   string `json:"op"`
	Args any    `json:"args,omitempty"`
	ID   uint64 `json:"id"`
}

func (c *Client) expect() (uint64, <-chan api.Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	answer := make(chan api.Reply, 1)
	c.waiting[c.last] = answer
	return c.last, answer
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
	case <-c.ended.Done():
		return c.Err()
	}
	lose := func(err error) {
		c.end(fmt.Errorf("%w: the message could not be sent: %w", ErrEnded, err))
		_ = c.ws.Close() // ends reader and writer; the error is the one that we have
	}
	written := make(chan struct{})
	defer close(written)
	// Not by a deadline of the connection, which each part of a long message sets again.
	defer context.AfterFunc(ctx, func() {
		select {
		case <-written:
		case <-time.After(grace):
			lose(context.Cause(ctx))
		}
	})()
	err := c.ws.SetWriteDeadline(time.Now().Add(writeTime))
	if err == nil {
		err = c.ws.WriteMessage(websocket.TextMessage, msg)
	}
	if err != nil {
		lose(cmp.Or(context.Cause(ctx), err))
		return c.Err()
	}
	return nil
}

// Subscribe has the node send events. A client can do it once. The channel is
// closed when the connection ends; Err then returns why.
//
// Events that are not read hold up all that comes after them, answers too:
// EventBuffer of them wait in the channel, more in the node, which drops a
// client that leaves one waiting for 10 s. So read them in a goroutine of its
// own, or ask with another Client.
//
// A client that was dropped, for that or because the node ended, dials again
// and subscribes After the Last of its last block event: it misses no block, and
// learns what left the chain meanwhile.
func (c *Client) Subscribe(ctx context.Context, sub api.Subscription) (<-chan api.Event, error) {
	events := make(chan api.Event, EventBuffer)
	c.mu.Lock()
	again := c.events != nil
	if !again {
		c.events = events
	}
	c.mu.Unlock()
	if again {
		return nil, errors.New("this client has a subscription already: dial another")
	}
	if err := c.Get(ctx, "subscribe", sub, new(api.Subscribed)); err != nil {
		c.mu.Lock()
		c.events = nil
		c.mu.Unlock()
		return nil, err
	}
	return events, nil
}

// Next returns the next event of a subscription. An error is why the connection ended, or
// the cause of ctx's end.
func (c *Client) Next(ctx context.Context, events <-chan api.Event) (api.Event, error) {
	select {
	case e, open := <-events:
		if !open {
			return e, c.Err()
		}
		return e, nil
	case <-ctx.Done():
		return api.Event{}, context.Cause(ctx)
	}
}

// read delivers every message until the connection ends.
func (c *Client) read() {
	var in bytes.Buffer // of all messages, one after another, unless one is large
	var err error
	for err == nil {
		err = c.readOne(&in)
	}
	c.end(endError(err))
	_ = c.ws.Close() // the error is the one that we have
	c.mu.Lock()
	if c.events != nil {
		close(c.events)
	}
	c.mu.Unlock()
	close(c.done)
}

func (c *Client) readOne(in *bytes.Buffer) error {
	if in.Reset(); in.Cap() > largeBuffer {
		*in = bytes.Buffer{}
	}
	if err := c.ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, r, err := c.ws.NextReader()
	if err != nil {
		return err
	}
	if _, err := in.ReadFrom(r); err != nil {
		return err
	}
	var m struct {
		api.Reply
		api.Event
		ID *uint64 `json:"id"`
	}
	if err := json.Unmarshal(in.Bytes(), &m); err != nil {
		return fmt.Errorf("the node sent a message that is not an answer: %w", err)
	}
	if m.Kind != "" {
		return c.deliver(m.Event)
	}
	if m.ID == nil {
		return fmt.Errorf("the node answered no question: %s", m.Reply.Error)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer, ok := c.waiting[*m.ID]; ok {
		delete(c.waiting, *m.ID) // a second one would block
		answer <- m.Reply
	}
	return nil
}

// ErrClosed is the end of a client by Close. It is an ErrEnded.
var ErrClosed = fmt.Errorf("%w: the client was closed", ErrEnded)

func (c *Client) deliver(e api.Event) error {
	c.mu.Lock()
	events := c.events
	c.mu.Unlock()
	if events == nil {
		return nil
	}
	select {
	case events <- e:
		return nil
	case <-c.ended.Done():
		return c.Err()
	}
}

// endError puts the end of a connection into words. The node gives its reason in
// the close frame.
func endError(err error) error {
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure && closed.Text != "":
		return fmt.Errorf("%w: the node gave the reason: %s", ErrEnded, closed.Text)
	case errors.Is(err, websocket.ErrReadLimit):
		return fmt.Errorf("%w: the node sent a message of more than %d MiB", ErrEnded, ReadLimit>>20)
	}
	return fmt.Errorf("%w: %w", ErrEnded, err)
}
