package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/websocket"

	"foxchain/ledger"
)

// An Event is one message of a subscription.
type Event struct {
	Kind string         `json:"event"` // status, peers, block or pool
	N    uint64         `json:"n"`     // counts a subscription's events, from 1
	Data jsontext.Value `json:"data"`  // as package doc says for the kind
}

// A Subscription says which events to send.
type Subscription struct {
	Events []string `json:"events,omitempty"` // kinds; none: all of them
	From   *int64   `json:"from,omitempty"`   // height at which block events begin, negative: from the end; nil: with the next block
	After  *Place   `json:"after,omitempty"`  // the last block seen: block events go on behind it; wins over From
	Items  bool     `json:"items,omitzero"`   // blocks with their transactions, not only headers
}

// A BlockEvent is the data of a block event.
type BlockEvent struct {
	Change string `json:"change"` // "in": it joined the chain; "out": it left it
	Block  Block  `json:"block"`
}

// Last is the last block of the chain that events up to e told of: what a
// later Subscription goes on After.
func (e *BlockEvent) Last() Place {
	if e.Change == "out" {
		return Place{Height: int64(e.Block.Height) - 1, Hash: e.Block.PrevHash}
	}
	return Place{Height: int64(e.Block.Height), Hash: &e.Block.Hash}
}

// A Place is the last block that a client saw.
type Place struct {
	Height int64        `json:"height"` // -1: it saw none
	Hash   *ledger.Hash `json:"hash"`   // nil: it saw none
}

// Subscribe has the node send events. A client can do it once. The channel is
// closed when the connection ends; Err then says why.
//
// Events that nobody reads hold up all that comes after them, answers too:
// eventBuffer of them wait in the channel, more in the node, which drops a
// client that leaves one waiting for 10 s. So read them in a goroutine of its
// own, or ask with another Client.
//
// A client that was dropped, for that or because the node ended, dials again
// and subscribes After the Last of its last block event: it misses no block, and
// learns what left the chain meanwhile.
func (c *Client) Subscribe(ctx context.Context, sub Subscription) (<-chan Event, error) {
	events := make(chan Event, eventBuffer)
	c.mu.Lock()
	again := c.events != nil
	if !again {
		c.events = events
	}
	c.mu.Unlock()
	if again {
		return nil, errors.New("this client has a subscription already: dial another")
	}
	if _, err := c.Do(ctx, "subscribe", sub); err != nil {
		c.mu.Lock()
		c.events = nil
		c.mu.Unlock()
		return nil, err
	}
	return events, nil
}

// read hands every message to whom it is for, until the connection ends.
func (c *Client) read() {
	var err error
	for err == nil {
		err = c.readOne()
	}
	c.fail(goodbye(err))
	_ = c.ws.Close() // the error is the one that we have
	c.mu.Lock()
	if c.events != nil {
		close(c.events)
	}
	c.mu.Unlock()
	close(c.done)
}

func (c *Client) readOne() error {
	if err := c.ws.SetReadDeadline(time.Now().Add(clientPatience)); err != nil {
		return err
	}
	_, msg, err := c.ws.ReadMessage()
	if err != nil {
		return err
	}
	var m struct {
		Reply
		Event
		ID *uint64 `json:"id"`
	}
	if err := json.Unmarshal(msg, &m); err != nil {
		return fmt.Errorf("the node sent what is not an answer: %w", err)
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

var errClosed = fmt.Errorf("%w: the client was closed", ErrEnded)

func (c *Client) deliver(e Event) error {
	c.mu.Lock()
	events := c.events
	c.mu.Unlock()
	if events == nil {
		return nil
	}
	select {
	case events <- e:
		return nil
	case <-c.closing:
		return errClosed
	}
}

// goodbye puts the end of a connection into words. The node gives its reason in
// the close frame.
func goodbye(err error) error {
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure && closed.Text != "":
		return fmt.Errorf("%w: the node says: %s", ErrEnded, closed.Text)
	case errors.Is(err, websocket.ErrReadLimit):
		return fmt.Errorf("%w: the node sent a message of more than %d MiB", ErrEnded, clientReadLimit>>20)
	}
	return fmt.Errorf("%w: %w", ErrEnded, err)
}
