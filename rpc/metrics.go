package rpc

import (
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"foxchain/ledger/chain"
	"foxchain/rpc/api"
)

// metrics are what /metrics shows. They have a registry of their own, so that
// several nodes live in one process.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	log      *slog.Logger
}

// Why the node closes a WebSocket connection that its client would have kept.
const (
	dropCrowded    = "crowded"    // all places were taken, and it was silent the longest
	dropSilent     = "silent"     // it asked nothing for too long
	dropUnanswered = "unanswered" // it has subscribed and answers no pings
	dropUnfinished = "unfinished" // a message did not arrive whole
	dropTooLong    = "too_long"   // a message was over the limit
	dropNotText    = "not_text"   // a text message was not UTF-8
	dropSlow       = "slow"       // it does not read what it is sent
	dropFailed     = "failed"     // the node could not go on with its events
	dropRevoked    = "revoked"    // its token was
)

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foxchain_rpc_requests_total",
			Help: "Messages and HTTP requests answered, by op and status of the reply.",
		}, []string{"op", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "foxchain_rpc_request_duration_seconds",
			Help:    "Time until the reply was there, by op. A 202 is on disk by then.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"op"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foxchain_rpc_refusals_total",
			Help: "HTTP requests refused: by a wrong Host, a foreign origin, a missing token, or one of another scope.",
		}, []string{"reason"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foxchain_rpc_dropped_total",
			Help: "WebSocket connections and streams of events that the node closed, by reason.",
		}, []string{"reason"}),
		log: s.log,
	}
	for _, reason := range []string{"host", "origin", "token", "scope"} {
		m.refusals.WithLabelValues(reason) // shown from 0 on
	}
	for _, reason := range []string{dropCrowded, dropSilent, dropUnanswered, dropUnfinished, dropTooLong, dropNotText, dropSlow, dropFailed, dropRevoked} {
		m.dropped.WithLabelValues(reason)
	}
	m.registry.MustRegister(
		m.requests, m.took, m.refusals, m.dropped, newStateCollector(s),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// answered counts a reply to what came at begin.
func (m *metrics) answered(op string, status int, begin time.Time) {
	m.requests.WithLabelValues(op, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(op).Observe(time.Since(begin).Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelDebug),
	})
}

// A stateCollector reads the node's state when it is asked for it, from one
// consistent summary.
type stateCollector struct {
	s      *Server
	values []stateMetric
	bytes  *prometheus.Desc
	sync   *prometheus.Desc
	disk   *prometheus.Desc
	build  *prometheus.Desc
	net    *prometheus.Desc
	tip    *prometheus.Desc
	final  *prometheus.Desc
	lag    *prometheus.Desc
	votes  *prometheus.Desc
	liars  *prometheus.Desc
}

type stateMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*api.Info, *chain.Status) float64
}

func newStateCollector(s *Server) *stateCollector {
	c := &stateCollector{s: s}
	c.bytes = prometheus.NewDesc("foxchain_p2p_bytes_total", "Bytes between nodes.", []string{"direction"}, nil)
	c.sync = prometheus.NewDesc("foxchain_p2p_sync_bytes_total", "Bytes of chain and pool that nodes asked each other for.", []string{"direction"}, nil)
	c.disk = prometheus.NewDesc("foxchain_disk_free_bytes", "Bytes left for the data directory; absent where not known.", nil, nil)
	c.build = prometheus.NewDesc("foxchain_build_info", "The program, always 1.", []string{"version", "goversion"}, nil)
	c.net = prometheus.NewDesc("foxchain_network_info", "The network, always 1.", []string{"name", "id"}, nil)
	c.tip = prometheus.NewDesc("foxchain_tip_info", "The last block's hash, or the network's ID when there is none, always 1.", []string{"hash"}, nil)
	c.final = prometheus.NewDesc("foxchain_final_height", "Height of the last final block, -1 when there is none.", nil, nil)
	c.lag = prometheus.NewDesc("foxchain_final_lag_blocks", "Blocks above the last final one.", nil, nil)
	c.votes = prometheus.NewDesc("foxchain_votes_total", "Votes of builders that were seen, own ones included.", []string{"kind"}, nil)
	c.liars = prometheus.NewDesc("foxchain_evidence_total", "Builders that are proven to have broken the rules of voting.", nil, nil)
	add := func(kind prometheus.ValueType, name, help string, read func(*api.Info, *chain.Status) float64) {
		c.values = append(c.values, stateMetric{prometheus.NewDesc("foxchain_"+name, help, nil, nil), kind, read})
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "blocks", "Blocks of the chain.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Blocks) })
	add(gauge, "tip_height", "Height of the last block, -1 when there is none.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Blocks) - 1 })
	add(gauge, "tip_since_timestamp_seconds", "When the last block became the tip here, in Unix seconds.", func(in *api.Info, _ *chain.Status) float64 { return in.TipSince })
	add(gauge, "pool_transactions", "Transactions in the pool, waiting ones included.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Pool) })
	add(gauge, "pool_waiting", "Transactions in the pool that cannot be paid yet.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Waiting) })
	add(gauge, "peers", "Connected nodes.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Peers) })
	add(gauge, "nodes", "Nodes that are registered, known, connected or heard of.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Nodes) })
	add(gauge, "rpc_connections", "Open WebSocket connections and streams of events.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Connections) })
	add(gauge, "side_headers", "Known headers that are not on the chain.", func(_ *api.Info, st *chain.Status) float64 { return float64(st.SideHeaders) })
	add(gauge, "failed_blocks", "Marks of blocks that break a rule.", func(_ *api.Info, st *chain.Status) float64 { return float64(st.FailedBlocks) })
	add(gauge, "sync_blocks_behind", "Blocks that the longest chain of a peer has more.", func(in *api.Info, _ *chain.Status) float64 {
		if in.Sync == nil {
			return 0
		}
		return float64(in.Sync.Behind)
	})
	add(gauge, "copied", "1 while another node runs with this one's key.", func(in *api.Info, _ *chain.Status) float64 { return float64(min(1, len(in.Copied))) })
	add(counter, "reorgs_total", "Reorgs: changes to another branch.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Reorgs) })
	add(counter, "deep_reorgs_total", "Reorgs that reverted more than 10 blocks.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.DeepReorgs) })
	add(counter, "expired_total", "Transactions that expired while they waited.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Expired) })
	add(counter, "rival_blocks_total", "Blocks that competed for a height with another.", func(in *api.Info, _ *chain.Status) float64 { return float64(in.Rivals) })
	add(counter, "transactions_refused_total", "Submitted transactions that the ledger did not take: conflicts, no money and too many waiting, a full pool.",
		func(_ *api.Info, st *chain.Status) float64 { return float64(st.Refused) })
	add(counter, "side_headers_dropped_total", "Headers off the chain that made room for others.",
		func(_ *api.Info, st *chain.Status) float64 { return float64(st.SideDropped) })
	return c
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.values {
		ch <- m.desc
	}
	ch <- c.bytes
	ch <- c.sync
	ch <- c.disk
	ch <- c.build
	ch <- c.net
	ch <- c.tip
	ch <- c.final
	ch <- c.lag
	ch <- c.votes
	ch <- c.liars
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	in, err := c.s.node.readInfo("localhost")
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.values[0].desc, err)
		return
	}
	st := c.s.cfg.Chain.Status()
	for _, m := range c.values {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read(in, &st))
	}
	ch <- prometheus.MustNewConstMetric(c.build, prometheus.GaugeValue, 1, in.Version, runtime.Version())
	ch <- prometheus.MustNewConstMetric(c.net, prometheus.GaugeValue, 1, in.Network.Name, in.Network.ID.String())
	ch <- prometheus.MustNewConstMetric(c.tip, prometheus.GaugeValue, 1, in.Tip.String())
	c.collectVotes(ch, in)
	if free := c.s.cfg.DiskFree(); free != nil {
		ch <- prometheus.MustNewConstMetric(c.disk, prometheus.GaugeValue, float64(*free))
	}
	for name, n := range c.s.cfg.Network.Stats() {
		if direction, ok := strings.CutPrefix(name, "bytes_"); ok {
			ch <- prometheus.MustNewConstMetric(c.bytes, prometheus.CounterValue, float64(n), direction)
			continue
		}
		if direction, ok := strings.CutPrefix(name, "sync_bytes_"); ok {
			ch <- prometheus.MustNewConstMetric(c.sync, prometheus.CounterValue, float64(n), direction)
			continue
		}
		// A series for each: they count headers, transactions, peers and other things.
		desc := prometheus.NewDesc("foxchain_p2p_"+name+"_total", "Counted by the p2p side since start: "+strings.ReplaceAll(name, "_", " ")+".", nil, nil)
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n))
	}
}

// collectVotes adds what only a network with finality has.
func (c *stateCollector) collectVotes(ch chan<- prometheus.Metric, in *api.Info) {
	if in.Voting == nil {
		return
	}
	height := -1.0
	if f := in.Final.Final; f != nil {
		height = float64(f.Height)
	}
	ch <- prometheus.MustNewConstMetric(c.final, prometheus.GaugeValue, height)
	ch <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, float64(in.Blocks)-1-height)
	for kind, n := range in.Voting.VoteCount {
		ch <- prometheus.MustNewConstMetric(c.votes, prometheus.CounterValue, float64(n), kind)
	}
	ch <- prometheus.MustNewConstMetric(c.liars, prometheus.CounterValue, float64(len(in.Voting.Evidence)))
}

// health is the body of /healthz and /readyz.
type health struct {
	Status string `json:"status"` // "ok", "failed" or "not ready"
	Reason string `json:"reason,omitzero"`
}

// serveHealth answers 200 while the process lives and the chain has not failed.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, "failed", s.cfg.Chain.Err())
}

// serveReady answers 200 when the node can do its work: the chain is open and the
// p2p side runs.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	err := s.cfg.Chain.Err()
	if err == nil {
		err = s.cfg.Ready()
	}
	writeHealth(w, "not ready", err)
}

func writeHealth(w http.ResponseWriter, otherwise string, err error) {
	h, status := health{Status: "ok"}, http.StatusOK
	if err != nil {
		h, status = health{otherwise, err.Error()}, http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, h) // an error means that the client has gone
}
