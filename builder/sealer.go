package builder

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/rpc/api"
)

// MaxTemplates is how many templates a Sealer remembers. Over it the oldest is
// forgotten, and submitting it is ErrOldTemplate.
const MaxTemplates = 16

// Sentinels. Match them with errors.Is.
var (
	// ErrNothing: no transaction of the pool is payable, so there is no block to
	// build.
	ErrNothing = errors.New("no transaction of the pool can be put into a block now")
	// ErrOldTemplate: the number is of a template that was never made, or of one that
	// MaxTemplates newer ones have replaced. Ask for a new template.
	ErrOldTemplate = errors.New("this template is not known (any more): ask for a new one")
	// ErrStale: the chain has another tip than the template was made for. Another
	// builder was faster; nothing is lost.
	ErrStale = errors.New("another block is the tip by now: ask for a new template")
	// ErrNotAllowed: this node's key must not build.
	ErrNotAllowed = errors.New("this node must not build blocks: its key is not among the network's builders")
)

// SealerConfig configures a Sealer.
type SealerConfig struct {
	Chain *chain.Chain
	Key   ed25519.PrivateKey // the node's: it signs every block
	// Live returns the keys of all builders that are known to be at work now, this
	// node's own included or not. nil: it is alone.
	Live func() []ledger.PublicKey
	// Coming reports whether another builder's block, which will probably be the
	// next tip, is known and on its way here. nil: never.
	Coming func() bool
	// Announce is given each block when it is sealed, just before it is added to
	// the chain, so that it is on its way to other nodes while it is written here.
	// It must be short. nil: not called.
	Announce func(*ledger.Block)
	Log      *slog.Logger // nil: nothing is logged
}

func (c *SealerConfig) validate() error {
	switch {
	case c.Chain == nil:
		return errors.New("builder: SealerConfig.Chain is missing")
	case len(c.Key) != ed25519.PrivateKeySize:
		return fmt.Errorf("builder: SealerConfig.Key has %d bytes, an Ed25519 key has %d", len(c.Key), ed25519.PrivateKeySize)
	}
	if c.Live == nil {
		c.Live = func() []ledger.PublicKey { return nil }
	}
	if c.Coming == nil {
		c.Coming = func() bool { return false }
	}
	if c.Announce == nil {
		c.Announce = func(*ledger.Block) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// A Sealer makes the blocks of a node. It is the only place where the key signs
// them. Its methods may be called from any goroutine. It needs no closing.
type Sealer struct {
	cfg  SealerConfig
	self ledger.PublicKey

	sealing chan struct{} // holds one value while Seal searches

	mu        sync.Mutex
	last      uint64                      // number of the newest template; 0: none yet
	templates [MaxTemplates]*api.Template // template n is at n % MaxTemplates
}

// NewSealer checks the configuration. It starts nothing.
func NewSealer(cfg SealerConfig) (*Sealer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Sealer{
		cfg:     cfg,
		self:    ledger.PublicKey(cfg.Key.Public().(ed25519.PublicKey)),
		sealing: make(chan struct{}, 1),
	}, nil
}

// State returns how things stand. The only error is that the chain has stopped.
func (d *Sealer) State(context.Context) (api.BuildState, error) {
	if err := d.cfg.Chain.Err(); err != nil {
		return api.BuildState{}, fmt.Errorf("%w: %w", ledger.ErrStopped, err)
	}
	st := d.cfg.Chain.Status()
	s := api.BuildState{
		Blocks:   st.Tip.Blocks,
		Tip:      st.Tip.Hash,
		Payable:  st.Payable,
		SinceTip: api.SecondsOf(max(0, time.Since(st.Tip.Since))),
		Rank:     d.rank(st.Tip.Hash),
		Allowed:  d.allowed(),
		Coming:   d.cfg.Coming(),
	}
	if !st.OldestPayable.IsZero() {
		s.Oldest = api.SecondsOf(max(0, time.Since(st.OldestPayable)))
	}
	return s, nil
}

// Changed returns a channel that is closed when State may have changed
// otherwise than by time passing. Take it, read the state, then wait.
func (d *Sealer) Changed() <-chan struct{} { return d.cfg.Chain.Changed() }

// rank counts the builders whose turn is before ours. Those whose blocks do not
// count on this network have no turn.
func (d *Sealer) rank(tip ledger.Hash) int {
	var rivals []ledger.PublicKey
	for _, k := range d.cfg.Live() {
		if d.cfg.Chain.Network().MayBuild(k) {
			rivals = append(rivals, k)
		}
	}
	return Rank(tip, d.self, rivals)
}

func (d *Sealer) allowed() bool { return d.cfg.Chain.Network().MayBuild(d.self) }

// Template makes a block of at most max payable transactions (0 or less: of as
// many as a block can hold) on the tip. The errors are ErrNothing and
// ErrNotAllowed.
func (d *Sealer) Template(_ context.Context, max int) (api.Template, error) {
	if !d.allowed() {
		return api.Template{}, ErrNotAllowed
	}
	if max <= 0 || max > ledger.MaxBlockTxs {
		max = ledger.MaxBlockTxs
	}
	t := d.cfg.Chain.Template(max)
	if t.Header.Count == 0 {
		return api.Template{}, ErrNothing
	}
	t.Header.Builder = d.self

	d.mu.Lock()
	defer d.mu.Unlock()
	// The same block again is the same template, so that a caller that asks often does not
	// push out what others work on.
	for _, known := range d.templates {
		if known != nil && known.Header.Parent == t.Header.Parent && known.Header.Root == t.Header.Root {
			return *known, nil
		}
	}
	d.last++
	template := &api.Template{Number: d.last, Header: t.Header, Txs: t.Txs}
	d.templates[d.last%MaxTemplates] = template
	return *template, nil
}

// Submit completes the numbered template with the nonce that was found, signs
// it and adds it to the chain. A template may be submitted again: the block is then
// known already, which is no error. The errors are ErrOldTemplate, ErrStale,
// ErrNotAllowed, a *ledger.BlockError when the nonce does not do the work, and
// the chain's own.
func (d *Sealer) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error) {
	d.mu.Lock()
	template := d.templates[number%MaxTemplates]
	d.mu.Unlock()
	switch {
	case template == nil || template.Number != number:
		return ledger.BlockRef{}, fmt.Errorf("template %d: %w", number, ErrOldTemplate)
	case !d.allowed():
		return ledger.BlockRef{}, ErrNotAllowed
	}
	h := template.Header
	h.Nonce = nonce
	ref := ledger.BlockRef{Height: h.Height, Hash: h.Hash()}
	// Two blocks of ours on one parent would be rivals of each other.
	if tip := d.cfg.Chain.Tip().Hash; tip != h.Parent && tip != ref.Hash {
		return ledger.BlockRef{}, fmt.Errorf("template %d: %w", number, ErrStale)
	}
	sealed, err := d.seal(h)
	if err != nil {
		return ledger.BlockRef{}, err
	}
	block := &ledger.Block{SealedHeader: sealed, Txs: template.Txs}
	d.cfg.Announce(block)
	change, err := d.cfg.Chain.AddBlock(ctx, block)
	if err != nil {
		return ledger.BlockRef{}, err
	}
	d.cfg.Log.Info("built a block", "height", ref.Height, "hash", ref.Hash.Short(),
		"transactions", len(template.Txs), "onTip", change == chain.Extended)
	return ref, nil
}

// Seal completes a header that a client's block in the original's form implies:
// it sets the builder, searches the proof and signs. It takes as long as 2^bits
// hashes do, one call at a time, and ends early with ctx's error. The other
// error is ErrNotAllowed.
func (d *Sealer) Seal(ctx context.Context, h ledger.Header) (ledger.SealedHeader, error) {
	if !d.allowed() {
		return ledger.SealedHeader{}, ErrNotAllowed
	}
	select {
	case d.sealing <- struct{}{}:
		defer func() { <-d.sealing }()
	case <-ctx.Done():
		return ledger.SealedHeader{}, context.Cause(ctx)
	}
	h.Builder = d.self
	nonce, err := search(ctx, h, 1)
	if err != nil {
		return ledger.SealedHeader{}, err
	}
	h.Nonce = nonce
	return d.seal(h)
}

// seal signs h and checks it as any other node would. A header without the work
// must not reach the chain: it would mark the hash as failed.
func (d *Sealer) seal(h ledger.Header) (ledger.SealedHeader, error) {
	net := d.cfg.Chain.Network()
	sealed := h.Sign(net, d.cfg.Key)
	if err := net.CheckHeader(&sealed); err != nil {
		return ledger.SealedHeader{}, err
	}
	return sealed, nil
}
