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

// MaxTemplates is how many templates a Sealer remembers. Submitting an older one is
// ErrOldTemplate.
const MaxTemplates = 16

// Sentinels. Match them with errors.Is.
var (
	// ErrOldTemplate: no template with this number was made, or MaxTemplates newer
	// ones have replaced it.
	ErrOldTemplate = errors.New("this template is not known (any more): ask for a new one")
	// ErrStale: the tip is not the template's parent any more, since another builder was
	// faster. Nothing is lost.
	ErrStale = errors.New("another block is the tip by now: ask for a new template")
	// ErrUnfinal: as many blocks wait to become final as the network allows.
	ErrUnfinal = errors.New("as many blocks as the network allows wait to become final, so none is built on them")
	// ErrNotAllowed: this node's key must not build.
	ErrNotAllowed = errors.New("this node must not build blocks: its key is not among the network's builders")
)

// SealerConfig configures a Sealer.
type SealerConfig struct {
	Chain *chain.Chain
	Key   ed25519.PrivateKey // the node's: it signs every block
	// Live returns the keys of all builders known to be building now, with or without
	// this node's own.
	Live func() []ledger.PublicKey
	// Coming reports whether another builder's block, probably the next tip, was
	// announced and is being fetched.
	Coming func() bool
	// Announce is called with each sealed block just before it is added to the chain, so
	// that other nodes fetch it while it is written here. It must be short.
	Announce func(*ledger.Block)
	Log      *slog.Logger // nil to log nothing
}

func (c *SealerConfig) validate() error {
	switch {
	case c.Chain == nil:
		return errors.New("builder: SealerConfig.Chain is missing")
	case len(c.Key) != ed25519.PrivateKeySize:
		return fmt.Errorf("builder: SealerConfig.Key has %d bytes, an Ed25519 key has %d", len(c.Key), ed25519.PrivateKeySize)
	case c.Live == nil || c.Coming == nil || c.Announce == nil:
		return errors.New("builder: SealerConfig.Live, Coming or Announce is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// A Sealer makes the blocks of a node. No other code signs blocks with the node's
// key. Its methods may be called from any goroutine. It needs no closing.
type Sealer struct {
	cfg  SealerConfig
	self ledger.PublicKey

	sealing chan struct{} // holds one value while Seal searches

	mu        sync.Mutex
	last      uint64                      // number of the newest template; 0 before the first
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

// State returns what a builder decides by. The only error is that the chain has
// stopped.
func (s *Sealer) State(context.Context) (api.BuildState, error) {
	if err := s.cfg.Chain.Err(); err != nil {
		return api.BuildState{}, fmt.Errorf("%w: %w", ledger.ErrStopped, err)
	}
	st := s.cfg.Chain.Status()
	out := api.BuildState{
		Blocks:   st.Tip.Blocks,
		Tip:      st.Tip.Hash,
		Payable:  st.Payable,
		SinceTip: api.SecondsOf(max(0, time.Since(st.Tip.Since))),
		Rank:     s.rank(st.Tip.Hash),
		Allowed:  s.allowed(),
		Coming:   s.cfg.Coming(),
	}
	if s.unfinal(&st) {
		out.Payable = 0 // so that no block is due
	}
	if !st.OldestPayable.IsZero() {
		out.Oldest = api.SecondsOf(max(0, time.Since(st.OldestPayable)))
	}
	return out, nil
}

// Changed returns a channel that is closed when State may have changed by more than
// the passing of time. Take it, read the state, then wait.
func (s *Sealer) Changed() <-chan struct{} { return s.cfg.Chain.Changed() }

// rank returns how many builders have their turn before this node. Keys that may not
// build on this network have no turn.
func (s *Sealer) rank(tip ledger.Hash) int {
	var rivals []ledger.PublicKey
	for _, k := range s.cfg.Live() {
		if s.cfg.Chain.Network().MayBuild(k) {
			rivals = append(rivals, k)
		}
	}
	return Rank(tip, s.self, rivals)
}

// unfinal reports whether as many blocks stand above the last final one as the network
// allows.
func (s *Sealer) unfinal(st *chain.Status) bool {
	limit, above := s.cfg.Chain.Network().MaxUnfinal, st.Tip.Blocks
	if st.Final != nil {
		above = st.Tip.Blocks - min(st.Tip.Blocks, st.Final.Block.Height+1)
	}
	return limit > 0 && above >= limit
}

func (s *Sealer) allowed() bool { return s.cfg.Chain.Network().MayBuild(s.self) }

// Template makes a block on the tip of at most max payable transactions, or of as many as
// fit if max is 0 or less. Its number is 0 if none is payable. The errors are ErrUnfinal
// and ErrNotAllowed.
func (s *Sealer) Template(_ context.Context, max int) (api.Template, error) {
	if !s.allowed() {
		return api.Template{}, ErrNotAllowed
	}
	if max <= 0 || max > ledger.MaxBlockTxs {
		max = ledger.MaxBlockTxs
	}
	if st := s.cfg.Chain.Status(); s.unfinal(&st) {
		return api.Template{}, ErrUnfinal
	}
	t := s.cfg.Chain.Template(max)
	if t.Header.Count == 0 {
		return api.Template{}, nil
	}
	t.Header.Builder = s.self

	s.mu.Lock()
	defer s.mu.Unlock()
	// The same block again has the same template, so that a caller that asks often does
	// not evict templates that others work on.
	for _, known := range s.templates {
		if known != nil && known.Header.Parent == t.Header.Parent && known.Header.Root == t.Header.Root {
			return *known, nil
		}
	}
	s.last++
	template := &api.Template{Number: s.last, Header: t.Header, Txs: t.Txs}
	s.templates[s.last%MaxTemplates] = template
	return *template, nil
}

// Submit completes the numbered template with the nonce, signs it and adds it to the
// chain. To submit it again is no error, since the chain has the block already. The
// errors are ErrOldTemplate, ErrStale, ErrNotAllowed, a *ledger.BlockError if the nonce
// does not do the work, and the chain's own.
func (s *Sealer) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error) {
	s.mu.Lock()
	template := s.templates[number%MaxTemplates]
	s.mu.Unlock()
	switch {
	case template == nil || template.Number != number:
		return ledger.BlockRef{}, fmt.Errorf("template %d: %w", number, ErrOldTemplate)
	case !s.allowed():
		return ledger.BlockRef{}, ErrNotAllowed
	}
	h := template.Header
	h.Nonce = nonce
	ref := ledger.BlockRef{Height: h.Height, Hash: h.Hash()}
	// Two blocks of this node on one parent would be rivals.
	if tip := s.cfg.Chain.Tip().Hash; tip != h.Parent && tip != ref.Hash {
		return ledger.BlockRef{}, fmt.Errorf("template %d: %w", number, ErrStale)
	}
	sealed, err := s.seal(h)
	if err != nil {
		return ledger.BlockRef{}, err
	}
	block := &ledger.Block{SealedHeader: sealed, Txs: template.Txs}
	s.cfg.Announce(block)
	change, err := s.cfg.Chain.AddBlock(ctx, block)
	if err != nil {
		return ledger.BlockRef{}, err
	}
	text := fmt.Sprintf("built block %d", ref.Height)
	if change == chain.Side {
		text += ", but another builder's came first"
	}
	s.cfg.Log.Info(text, "transactions", len(template.Txs), "hash", ref.Hash.Short())
	return ref, nil
}

// Seal completes the header of a client's block in the original's form. It sets the
// builder, searches the proof and signs. That takes about 2^bits hashes, one call at a
// time. The errors are ctx's and ErrNotAllowed.
func (s *Sealer) Seal(ctx context.Context, h ledger.Header) (ledger.SealedHeader, error) {
	if !s.allowed() {
		return ledger.SealedHeader{}, ErrNotAllowed
	}
	select {
	case s.sealing <- struct{}{}:
		defer func() { <-s.sealing }()
	case <-ctx.Done():
		return ledger.SealedHeader{}, context.Cause(ctx)
	}
	h.Builder = s.self
	nonce, err := search(ctx, h, func() error { return nil })
	if err != nil {
		return ledger.SealedHeader{}, err
	}
	h.Nonce = nonce
	return s.seal(h)
}

// seal signs h and checks it as any other node would, so that a header without the
// work does not reach the chain.
func (s *Sealer) seal(h ledger.Header) (ledger.SealedHeader, error) {
	net := s.cfg.Chain.Network()
	sealed := h.Sign(net, s.cfg.Key)
	if err := net.CheckHeader(&sealed); err != nil {
		return ledger.SealedHeader{}, err
	}
	return sealed, nil
}
