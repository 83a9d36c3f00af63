package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"foxchain/builder"
	"foxchain/rpc/api"
)

// outsideFor is how long a node counts as building after a builder outside it
// asked how things stand.
const outsideFor = 12 * time.Second

// A sealer is the builder's desk, as package rpc wants it. A node that only
// follows has one too: builders outside it work there.
type sealer struct {
	*builder.Desk
	inside bool         // the node builds itself
	asked  atomic.Int64 // Unix nanoseconds of the last question of a builder outside
}

// builds reports whether blocks are being built: the node itself, or a
// builder outside. Whether the blocks count is another question, see
// [p2p.Node.Builds].
func (d *sealer) builds() bool {
	return d.inside || time.Since(time.Unix(0, d.asked.Load())) < outsideFor
}

// State is half of the op "template".
func (d *sealer) State(ctx context.Context) (api.BuildState, error) {
	d.asked.Store(time.Now().UnixNano())
	state, err := d.Desk.State(ctx)
	return api.BuildState(state), err
}

// Template is the other half.
func (d *sealer) Template(ctx context.Context, limit int) (api.Template, error) {
	job, err := d.Desk.Template(ctx, limit)
	if errors.Is(err, builder.ErrNothing) {
		return api.Template{}, nil
	}
	return api.Template(job), err
}
