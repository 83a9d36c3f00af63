package node

import (
	"context"
	"sync/atomic"
	"time"

	"foxchain/builder"
	"foxchain/rpc/api"
)

// outsideFor is how long a node counts as building after an outside builder asked
// for the state.
const outsideFor = 12 * time.Second

// A sealer is the builder's sealer for package rpc. A node that only follows has one
// too, for outside builders.
type sealer struct {
	*builder.Sealer
	inside atomic.Bool               // the node builds itself
	asked  atomic.Pointer[time.Time] // when an outside builder last asked, nil for never
}

// builds reports whether the node or an outside builder builds. [p2p.Node.Builds] also
// checks that the network allows it.
func (d *sealer) builds() bool {
	asked := d.asked.Load()
	return d.inside.Load() || asked != nil && time.Since(*asked) < outsideFor
}

// State serves the state in the op "template".
func (d *sealer) State(ctx context.Context) (api.BuildState, error) {
	d.asked.Store(new(time.Now()))
	return d.Sealer.State(ctx)
}
