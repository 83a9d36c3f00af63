package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/rpc/api"
	"foxchain/rpc/rest"
	"foxchain/rpc/web"
)

// Config configures a Server.
type Config struct {
	Listener *Listener    // from Listen; the server closes it
	Chain    *chain.Chain // open as long as the server runs
	Peers    Peers
	Sealer   Sealer
	Key      ledger.PublicKey // the node's own, the builder in its blocks
	Name     string           // the node's own
	// BlockTxs and MaxWait are MinTxs and MaxWait of the node's own builder (package
	// builder). BlockTxs is 0 if it has none.
	BlockTxs int
	MaxWait  time.Duration
	Version  string // of the program
	Token    string // for clients off loopback and foreign pages; if empty, they are not admitted
	// Tokens looks up another token. It is called for each message of a client that gave
	// one, with used true, and each second while such a client is connected, with used
	// false, so that a revoked token ends at once.
	Tokens  func(given string, used bool) (Token, bool)
	Hosts   []string // names, beside localhost and IP literals, that a Host header may hold
	Origins []string // web origins that may use the node, as browsers send them
	// Voting returns the state of the votes, nil on a network without finality.
	Voting func() *api.Voting
	// Certify passes verified certificates, and votes that are evidence in pairs, to the
	// node's voter. It is nil if the network has no finality.
	Certify func(context.Context, []finality.Vote, []*finality.Certificate)
	// Backup writes a backup of the node.
	Backup func(context.Context, io.Writer) error
	// Sync returns how far the node has caught up with its peers, nil if it is not
	// behind.
	Sync func() *api.Sync
	// DiskFree returns the bytes left on the disk of the data directory, nil if not
	// known.
	DiskFree func() *uint64

	Log *slog.Logger
	Now func() time.Time // nil for time.Now
}

func (c *Config) validate() error {
	switch {
	case c.Listener == nil, c.Chain == nil, c.Peers == nil, c.Sealer == nil:
		return errors.New("rpc: Config lacks one of Listener, Chain, Peers and Sealer")
	case c.Tokens == nil, c.Voting == nil, c.Sync == nil, c.DiskFree == nil, c.Backup == nil, c.Log == nil:
		return errors.New("rpc: Config lacks one of Tokens, Voting, Sync, DiskFree, Backup and Log")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// limits are the bounds of the package doc. Tests narrow them.
type limits struct {
	conns    int           // WebSocket connections
	message  int64         // bytes of one message
	small    int64         // bytes of a message that needs no place among the large ones
	large    int64         // large messages read or answered at once
	asked    int64         // HTTP requests answered at once
	page     int           // bytes of a reply over HTTP
	reply    int           // bytes of a reply
	silence  time.Duration // without a message, after which a connection is closed
	pong     time.Duration // without a sign of life, for one that has subscribed
	ping     time.Duration // between pings
	arrive   time.Duration // for one message or HTTP request to arrive whole
	slow     time.Duration // for an event to be taken by a slow client, and for an HTTP request to get a place
	write    time.Duration // for one message to be written, and 1 s more for each 256 KiB
	goodbye  time.Duration // from our close frame to the client's
	coalesce time.Duration // between two looks of a subscription
	redraw   time.Duration // between two events of status, peers or told, and four of pool
	sample   time.Duration // between two samples of the last hour

	after func(time.Duration) <-chan time.Time // time.After, replaced by tests
}

func defaultLimits() limits {
	return limits{
		conns:   256,
		message: 16 << 20,
		small:   64 << 10,
		large:   7,  // 7 x 16 MiB + 256 x 64 KiB = 128 MiB
		asked:   64, // 64 x 1 MiB of replies
		page:    1 << 20,
		reply:   8<<20 - 1,
		silence: time.Hour,
		pong:    75 * time.Second, ping: 30 * time.Second,
		arrive: 30 * time.Second, slow: 10 * time.Second,
		write:   20 * time.Second, // longer than slow, or a slow client would never receive the reason
		goodbye: time.Second, coalesce: 50 * time.Millisecond, redraw: time.Second, sample: sampleEvery,
		after: time.After,
	}
}

// A Server answers ops over WebSocket and serves the node's page, its health
// and its metrics, all on one port.
type Server struct {
	cfg      Config
	log      *slog.Logger
	limits   limits
	access   *access
	node     *nodeOps
	sampler  *sampler
	ops      *ops
	upgrader websocket.Upgrader
	metrics  *metrics
	large    *semaphore.Weighted // places for messages over limits.small
	asked    *semaphore.Weighted // places for HTTP requests that are answered
	backups  sync.Mutex          // held by the backup that is under way
	refusals *refusalLog         // wakes subscriptions at a refusal
	buffers  sync.Pool           // see reply.buffers
	page     web.Page

	mu       sync.Mutex
	conns    map[held]struct{}
	stopping bool
	wg       sync.WaitGroup // one for each WebSocket handler; Add under mu
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:      cfg,
		log:      cfg.Log,
		limits:   defaultLimits(),
		conns:    make(map[held]struct{}),
		refusals: newRefusalLog(),
	}
	var err error
	if s.access, err = newAccess(cfg.Token, cfg.Tokens, cfg.Hosts, cfg.Origins); err != nil {
		return nil, err
	}
	s.upgrader = websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   4 << 10,
		WriteBufferSize:  4 << 10,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      func(*http.Request) bool { return true }, // the guard has checked it
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			http.Error(w, "This is the node's WebSocket: connect to it with a WebSocket client. "+reason.Error(), status)
		},
	}
	if s.page, err = web.New(); err != nil {
		return nil, err
	}
	s.node = &nodeOps{cfg: &s.cfg, started: time.Now(), refusals: s.refusals, connections: s.connections,
		committee: committee.New(cfg.Chain.Network())}
	s.sampler = newSampler(&s.cfg)
	s.ops = newOps(&s.cfg, s.node, s.sampler)
	// Idle WebSocket connections must not take all sockets, since then none would make
	// room.
	s.limits.conns = min(s.limits.conns, cap(cfg.Listener.sockets)*3/4)
	s.setLimits(s.limits)
	s.metrics = newMetrics(s)
	return s, nil
}

func (s *Server) setLimits(l limits) {
	s.limits = l
	s.large = semaphore.NewWeighted(l.large)
	s.asked = semaphore.NewWeighted(l.asked)
}

// Run serves until ctx ends, then sends every client a close frame (close code
// 1001) and returns nil within about 2 s. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	// Requests outlive ctx for a moment, so that running ones can still be answered when
	// the node stops.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	hs := &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       s.limits.arrive,
		WriteTimeout:      s.limits.arrive + 30*time.Second, // or a client whose body is late would never receive the reason
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range s.cfg.Listener.list {
		g.Go(func() error {
			if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("WebSocket server on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	g.Go(func() error { return s.sampler.run(ctx, s.limits.sample) })
	g.Go(func() error { return s.endRevoked(ctx) })
	g.Go(func() error {
		<-ctx.Done()
		return s.shutdown(hs, cancel)
	})
	return g.Wait()
}

// shutdown ends everything within about 2 s. Clients have half of that to answer the
// close frame, then requests are cancelled.
func (s *Server) shutdown(hs *http.Server, cancel context.CancelFunc) error {
	s.mu.Lock()
	s.stopping = true
	for c := range s.conns {
		c.hangUp("", websocket.CloseGoingAway, "the node is stopping")
	}
	s.mu.Unlock()
	defer time.AfterFunc(s.limits.goodbye+s.limits.goodbye/2, cancel).Stop()

	ctx, stop := context.WithTimeout(context.Background(), 2*s.limits.goodbye)
	defer stop()
	err := hs.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = hs.Close()
	}
	s.wg.Wait()
	return err
}

// handler serves every route, after the guard.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", s.serveWS)
	mux.HandleFunc("GET /backup", s.serveBackup)
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.HandleFunc("GET /readyz", s.serveHealth)
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.Handle("GET /", s.page)
	api := rest.New((*httpNode)(s), s.cfg.Version)
	return s.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest.Has(r) { // for all methods, which no pattern of the mux can have beside GET /
			api.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

func (s *Server) serveWS(w http.ResponseWriter, r *http.Request) {
	if version := r.Header.Get("Sec-WebSocket-Version"); websocket.IsWebSocketUpgrade(r) && version != "13" {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "The node's WebSocket has version 13 (RFC 6455), and the client asks for another.", http.StatusUpgradeRequired)
		return
	}
	ws, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		s.log.Debug("not a WebSocket request", "remote", r.RemoteAddr, "reason", err)
		return
	}
	c := newConn(s, ws, r)
	if !s.admit(c) {
		frame := websocket.FormatCloseMessage(websocket.CloseGoingAway, "the node is stopping")
		_ = ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(s.limits.goodbye))
		_ = ws.Close()
		return
	}
	defer s.leave(c)
	c.serve(r.Context())
}

// guard passes a request to next, or refuses it with the reason and the way out, a log
// line, an event and a count.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		g, ref := s.access.check(r)
		if ref == nil {
			next.ServeHTTP(w, r.WithContext(withGrant(r.Context(), g)))
			return
		}
		ref.at, ref.Remote = time.Now(), r.RemoteAddr
		s.metrics.refusals.WithLabelValues(ref.kind).Inc()
		if s.refusals.add(ref, s.cfg.Now()) {
			s.log.Warn("refused a request", "reason", ref.Reason, "remote", ref.Remote, "origin", ref.Origin, "path", ledger.Shorten(r.URL.Path, 100))
		}
		if ref.challenge != "" {
			h.Set("WWW-Authenticate", ref.challenge)
		}
		if rest.Has(r) {
			rest.Fail(w, &api.Problem{Status: ref.status, Detail: "Refused: " + ref.Reason + ".", WayOut: ref.wayOut})
			return
		}
		http.Error(w, "Refused: "+ref.Reason+".\n"+ref.wayOut, ref.status)
	})
}

// serveHealth answers 200 on /healthz and /readyz while the chain has not failed. The chain
// is open before the port is.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, s.cfg.Chain.Err())
}

// admit admits c. If all places are taken, the connection that was silent the longest
// makes room.
func (s *Server) admit(c held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if len(s.conns) >= s.limits.conns {
		var oldest held
		for o := range s.conns {
			if oldest == nil || o.lastMessage().Before(oldest.lastMessage()) {
				oldest = o
			}
		}
		oldest.hangUp(dropCrowded, websocket.CloseTryAgainLater, fmt.Sprintf(
			"all %d connections are taken, and this one was silent the longest", s.limits.conns))
		delete(s.conns, oldest)
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) leave(c held) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.wg.Done()
}

// endRevoked ends the connections whose token was revoked, until ctx ends.
func (s *Server) endRevoked(ctx context.Context) error {
	for tick := time.NewTicker(s.limits.redraw); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
		s.mu.Lock()
		conns := slices.Collect(maps.Keys(s.conns))
		s.mu.Unlock()
		for _, c := range conns {
			if s.access.revoked(c.grant(), false) {
				c.hangUp(dropRevoked, websocket.ClosePolicyViolation, wordsRevoked)
			}
		}
	}
}

// A held is a long connection of a client: a WebSocket, a stream of events, or a backup.
type held interface {
	grant() *grant
	lastMessage() time.Time
	hangUp(cause string, code int, reason string)
}

// connections is the number of WebSocket connections, streams of events and backups.
func (s *Server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// A Peers is the node's p2p side as the server sees it. Its methods are
// called from many goroutines and return at once.
type Peers interface {
	// ID is the node's own peer ID.
	ID() string
	// Addrs are the node's own multiaddrs, each with /p2p/ and its ID.
	Addrs() []string
	// Nodes are all other nodes, registered, known, connected or on the network, each
	// once, in a stable order.
	Nodes() []api.Peer
	// Register checks all addresses, stores them and dials them in the
	// background. On an error nothing is registered; its text goes to the
	// client and names the address.
	Register(addrs []string) error
	// Forget drops a node that is not connected, given by peer ID, name or
	// address. The text of an error goes to the client.
	Forget(node string) error
	// Builds reports whether blocks of this node can be expected now, from its own builder
	// or one outside.
	Builds() bool
	// Copied reports, in words for people, that another node runs with this one's
	// key; empty while none does.
	Copied() string
	// Former are nodes that were once connected and forgotten since.
	Former() []api.Former
	// Told returns when peers were sent a transaction and had it, without their names.
	// height is that of its block, nil if it is in none.
	Told(key ledger.TxKey, height *uint64) api.Travel
	// Changed returns a channel that is closed at the next change of what
	// Nodes or Addrs give.
	Changed() <-chan struct{}
	// Stats are counters that only rise, by name.
	Stats() map[string]uint64
}

// A Sealer makes and seals blocks with the node's key, for builders outside the
// node and for blocks in the original's form.
type Sealer interface {
	// State returns what a builder decides by.
	State(ctx context.Context) (api.BuildState, error)
	// Template returns a block of at most max transactions (as many as fit if 0) to
	// search a nonce for. Its Number is 0 if none is payable.
	Template(ctx context.Context, max int) (api.Template, error)
	// Submit signs the numbered template with the nonce and adds the block. The text of
	// an error goes to the client.
	Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error)
	// Seal searches the nonce of a block in the original's form, and signs it.
	Seal(ctx context.Context, h ledger.Header) (ledger.SealedHeader, error)
}
