package rpc

import (
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"foxchain/rpc/api"
)

// metrics are what /metrics shows. They have a registry of their own, so that several
// nodes can run in one process.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	log      *slog.Logger
}

// The causes for which the node closes a WebSocket connection or a stream of events.
const (
	dropCrowded    = "crowded"    // all places were taken, and it was silent the longest
	dropSilent     = "silent"     // it sent no message for too long
	dropUnanswered = "unanswered" // it has subscribed and does not answer pings
	dropUnfinished = "unfinished" // a message did not arrive whole
	dropTooLong    = "too_long"   // a message was over the limit
	dropNotText    = "not_text"   // a text message was not UTF-8
	dropSlow       = "slow"       // it does not read what it is sent
	dropFailed     = "failed"     // the node failed to read its events
	dropRevoked    = "revoked"    // its token was revoked
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
		m.refusals.WithLabelValues(reason) // shown even while it is 0
	}
	for _, reason := range []string{dropCrowded, dropSilent, dropUnanswered, dropUnfinished, dropTooLong, dropNotText, dropSlow, dropFailed, dropRevoked} {
		m.dropped.WithLabelValues(reason)
	}
	m.registry.MustRegister(
		m.requests, m.took, m.refusals, m.dropped, stateCollector{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// answered counts a reply to a request that came at begin.
func (m *metrics) answered(op string, status int, begin time.Time) {
	m.requests.WithLabelValues(op, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(op).Observe(time.Since(begin).Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelDebug),
	})
}

// A stateCollector reads the node's state when it is scraped. It describes no series
// before.
type stateCollector struct{ *Server }

// Describe implements prometheus.Collector.
func (stateCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s stateCollector) Collect(ch chan<- prometheus.Metric) {
	in, err := s.node.readInfo("localhost")
	if err != nil {
		ch <- prometheus.NewInvalidMetric(prometheus.NewDesc("foxchain_blocks", "", nil, nil), err)
		return
	}
	st := s.cfg.Chain.Status()
	show := series(ch, prometheus.GaugeValue)
	show("build_info", "The program, always 1.", 1, "version", in.Version, "goversion", runtime.Version())
	show("network_info", "The network, always 1.", 1, "name", in.Network.Name, "id", in.Network.ID.String())
	show("tip_info", "The last block's hash, or the network's ID when there is none, always 1.", 1, "hash", in.Tip.String())
	show("blocks", "Blocks of the chain.", float64(in.Blocks))
	show("tip_height", "Height of the last block, -1 when there is none.", float64(in.Blocks)-1)
	show("tip_since_timestamp_seconds", "When the last block became the tip here, in Unix seconds.", in.TipSince)
	show("pool_transactions", "Transactions in the pool, waiting ones included.", float64(in.Pool))
	show("pool_waiting", "Transactions in the pool that cannot be paid yet.", float64(in.Waiting))
	show("peers", "Connected nodes.", float64(in.Peers))
	show("nodes", "Nodes that are registered, known, connected or heard of.", float64(in.Nodes))
	show("rpc_connections", "Open WebSocket connections and streams of events.", float64(in.Connections))
	show("side_headers", "Known headers that are not on the chain.", float64(st.SideHeaders))
	show("failed_blocks", "Marks of blocks that break a rule.", float64(st.FailedBlocks))
	behind := uint64(0)
	if in.Sync != nil {
		behind = in.Sync.Behind
	}
	show("sync_blocks_behind", "Blocks by which the longest chain of a peer is ahead.", float64(behind))
	show("copied", "1 while another node runs with this one's key.", float64(min(1, len(in.Copied))))
	if free := s.cfg.DiskFree(); free != nil {
		show("disk_free_bytes", "Bytes left for the data directory; absent where not known.", float64(*free))
	}
	count := series(ch, prometheus.CounterValue)
	count("reorgs_total", "Reorgs: changes to another branch.", float64(in.Reorgs))
	count("deep_reorgs_total", "Reorgs that reverted more than 10 blocks.", float64(in.DeepReorgs))
	count("expired_total", "Transactions that expired while they waited.", float64(in.Expired))
	count("rival_blocks_total", "Blocks that competed for a height with another.", float64(in.Rivals))
	count("transactions_refused_total", "Submitted transactions that the ledger did not take: conflicts, no money and too many waiting, a full pool.", float64(st.Refused))
	count("side_headers_dropped_total", "Headers off the chain that made room for others.", float64(st.SideDropped))
	for name, n := range s.cfg.Peers.Stats() {
		if direction, ok := strings.CutPrefix(name, "bytes_"); ok {
			count("p2p_bytes_total", "Bytes between nodes.", float64(n), "direction", direction)
		} else if direction, ok := strings.CutPrefix(name, "sync_bytes_"); ok {
			count("p2p_sync_bytes_total", "Bytes of chain and pool that nodes requested from each other.", float64(n), "direction", direction)
		} else { // a series for each, since they count different things
			count("p2p_"+name+"_total", "Counted by the p2p side since start: "+strings.ReplaceAll(name, "_", " ")+".", float64(n))
		}
	}
	if in.Voting != nil {
		collectVotes(in, show, count)
	}
}

// collectVotes shows the series that only a network with finality has.
func collectVotes(in *api.Info, show, count showSeries) {
	height := -1.0
	if f := in.Final.Final; f != nil {
		height = float64(f.Height)
	}
	show("final_height", "Height of the last final block, -1 when there is none.", height)
	show("final_lag_blocks", "Blocks above the last final one.", float64(in.Blocks)-1-height)
	for kind, n := range in.Voting.VoteCount {
		count("votes_total", "Votes of builders that were seen, own ones included.", float64(n), "kind", kind)
	}
	count("evidence_total", "Builders that are proven to have broken the rules of voting.", float64(len(in.Voting.Evidence)))
}

// A showSeries shows one series, with the names and values of its labels.
type showSeries func(name, help string, value float64, labels ...string)

func series(ch chan<- prometheus.Metric, kind prometheus.ValueType) showSeries {
	return func(name, help string, value float64, labels ...string) {
		fixed := make(prometheus.Labels)
		for pair := range slices.Chunk(labels, 2) {
			fixed[pair[0]] = pair[1]
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("foxchain_"+name, help, nil, fixed), kind, value)
	}
}

func writeHealth(w http.ResponseWriter, err error) {
	h := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitzero"`
	}{Status: "ok"}
	status := http.StatusOK
	if err != nil {
		h.Status, h.Reason, status = "failed", err.Error(), http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, h) // an error means that the client has gone
}
