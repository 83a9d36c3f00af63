package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/rpc/api"
)

// NoBlock is the ID of an event after which the chain has no block.
const NoBlock = "-1"

// follow serves blocks as server-sent events.
func follow(node Node, w http.ResponseWriter, r *http.Request) error {
	after, err := readID(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	args, err := arguments(r, &events, `,"events":["block"],"after":`+string(after))
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", eventStream)
		return nil
	}
	err = node.Follow(r, args, &Stream{w: w, control: http.NewResponseController(w)})
	var p *api.Problem
	if errors.As(err, &p) && strings.HasPrefix(p.Field, "after.") {
		return badParam("Last-Event-ID", p.Rule) // that is what the client called it
	}
	return err
}

// events is the route of follow, which no op answers.
var events = route{path: "events", params: as("from", "items")}

const eventStream = "text/event-stream"

// readID returns the place in an event's ID, as the argument after of the op subscribe.
func readID(id string) (jsontext.Value, error) {
	if id == "" {
		return jsontext.Value("null"), nil
	}
	height, hash, _ := strings.Cut(id, "-")
	if _, err := strconv.ParseUint(height, 10, 53); err == nil && len(hash) == 64 {
		return fmt.Appendf(nil, `{"height":%s,"hash":%s}`, height, quoted(hash)), nil
	}
	if id == NoBlock {
		return jsontext.Value(`{"height":-1}`), nil
	}
	return nil, badParam("Last-Event-ID", "must be the ID of an event of this interface, such as 17-0000cf…: a height and a hash")
}

// A Stream is the response to a client that follows events. Its methods write within a
// given time, and may be called from several goroutines.
type Stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	mu      sync.Mutex
}

// Begin opens the stream. The client will name id if it comes back before the first event.
func (s *Stream) Begin(id string, within time.Duration) error {
	head := s.w.Header()
	head.Set("Content-Type", eventStream)
	head.Set("X-Accel-Buffering", "no") // a proxy must not wait for more
	// The server's bounds are those of a request that ends.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return s.write(within, "retry: 1000\nid: %s\n\n", id)
}

// Send sends an event.
func (s *Stream) Send(id, kind string, data []byte, within time.Duration) error {
	within += time.Duration(len(data)>>18) * time.Second
	return s.write(within, "id: %s\nevent: %s\ndata: %s\n\n", id, kind, data)
}

// Beat sends a sign of life, which is no event.
func (s *Stream) Beat(within time.Duration) error { return s.write(within, ":\n\n") }

// End sends the last event, with the reason why the node ends the stream.
func (s *Stream) End(reason string, within time.Duration) {
	text, err := json.Marshal(map[string]string{"reason": reason}, jsontext.AllowInvalidUTF8(true))
	if err == nil {
		_ = s.write(within, "event: closed\ndata: %s\n\n", text) // an error means that the client has gone
	}
}

func (s *Stream) write(within time.Duration, format string, values ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.control.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, format, values...); err != nil {
		return err
	}
	return s.control.Flush()
}
