package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What a node's process tells of itself in /metrics (Prometheus' names).
const (
	metricResident = "process_resident_memory_bytes"
	metricCPU      = "process_cpu_seconds_total"
)

// A missing says why there is no figure.
type missing struct{ why string }

func (m *missing) Error() string { return m.why }

// metric reads one number of the node's /metrics. Not every system tells all
// of them, and a proxy may let only the WebSocket through: then it is missing.
func (n *benchNode) metric(ctx context.Context, name string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	url := "http" + strings.TrimPrefix(strings.TrimSuffix(withoutToken(n.at.URL), "/ws"), "ws") + "/metrics"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	if n.at.Token != "" {
		req.Header.Set("Authorization", "Bearer "+n.at.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, &missing{fmt.Sprintf("%s cannot be read: %v", url, err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, &missing{fmt.Sprintf("%s answers %s", url, resp.Status)}
	}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 1<<20))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, &missing{"the node's system does not tell it: /metrics has no " + name}
}

// each asks every node for a number.
func (net *benchNet) each(ctx context.Context, name string) ([]float64, error) {
	var list []float64
	for _, n := range net.nodes {
		v, err := n.metric(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// memory is the resident memory of the largest node.
func (r *benchRun) memory(ctx context.Context, net *benchNet) error {
	row := benchRow{Row: "memory", What: "resident memory after the load", Unit: "MiB"}
	list, err := net.each(ctx, metricResident)
	for i := range list {
		list[i] /= 1 << 20
	}
	return r.addLargest(row, list, err)
}

// addLargest adds a row with the largest of the nodes' values, all of them in
// its note, or with the reason why they are missing.
func (r *benchRun) addLargest(row benchRow, list []float64, err error) error {
	if m := (*missing)(nil); errors.As(err, &m) {
		row.Why = m.why
		return r.add(row)
	} else if err != nil {
		return err
	}
	largest := 0.0
	var all []string
	for _, v := range list {
		largest = max(largest, v)
		all = append(all, digits(v))
	}
	if len(all) > 1 {
		row.Note = "the nodes: " + strings.Join(all, ", ")
	}
	return r.add(row.is(largest))
}

// disk is what a node's ledger takes on disk after a load, for each transaction
// of it.
func (r *benchRun) disk(n *benchNode, before int64, txs int) error {
	row := benchRow{Row: "disk", What: "ledger on disk, indexes and all", Unit: "B/tx", Txs: txs}
	if n.dir == "" {
		row.Why = "where the node's data are is known only with -r DIRECTORY"
		return r.add(row)
	}
	after, err := diskUsed(n.dir)
	if err != nil {
		return err
	}
	return r.add(row.is(float64(after-before) / float64(txs)))
}

// diskUsed is the size of a ledger's files, 0 for no directory.
func diskUsed(dir string) (size int64, err error) {
	if dir == "" {
		return 0, nil
	}
	err = filepath.WalkDir((&dataDir{dir}).chain(), func(_ string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) { // LevelDB tidied up meanwhile
			return nil
		} else if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil
		} else if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

const (
	idleSettle = 2 * time.Second // for what the load left to do
	idleSpan   = 5 * time.Second
)

// idle is the processor time of nodes that have nothing to do.
func (r *benchRun) idle(ctx context.Context, net *benchNet) error {
	in, err := net.nodes[0].client.Info(ctx)
	if err != nil {
		return err
	}
	row := benchRow{Row: "idle", What: "processor time at rest, of one core, with " + count(in.Peers, "peer"), Unit: "%"}
	r.say("the nodes are at rest")
	if err := rest(ctx, idleSettle); err != nil {
		return err
	}
	list, err := net.each(ctx, metricCPU)
	if err != nil {
		return r.addLargest(row, nil, err)
	}
	begin := time.Now()
	if err := rest(ctx, idleSpan); err != nil {
		return err
	}
	after, err := net.each(ctx, metricCPU)
	for i := range after {
		after[i] = 100 * (after[i] - list[i]) / time.Since(begin).Seconds()
	}
	return r.addLargest(row, after, err)
}
