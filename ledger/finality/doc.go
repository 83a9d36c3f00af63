// Package finality decides when a block is final, which means that it is never taken back. It is a
// pure state machine, without clock, disk, network or goroutine. Package builder drives it. It
// passes votes, certificates and time to a [Machine], and does what [Machine.Ready] returns.
// Package committee verifies votes and certificates, ledger/chain obeys the certificates, and
// p2p/vote carries both.
//
// A chain by most work never stops, and promises nothing, since a longer branch may appear. On a
// network that names its builders, they vote on its blocks. Any builder that is up builds blocks as
// before. While a quorum is up, a prefix of the chain becomes final. While it is not, the chain
// grows without becoming final. This design is called ebb-and-flow (Neu, Tas, Tse, arXiv
// 2009.04987).
//
// # The protocol
//
// The votes are those of Simplex (Chan, Pass, eprint 2023/463), over blocks that exist already. Of n
// builders, f = floor((n-1)/3) may lie. A quorum is n-f of them. A certificate is a quorum of votes
// for the same [Statement]. Time is divided into views from 1, and builder v mod n leads view v.
// With a tip that is not final yet, an honest builder in view v
//
//  1. proposes, as leader, the tip of its chain, by its own notarize vote. Its parent view p is the
//     highest view with a notarized block, which the tip is or descends from;
//  2. votes to notarize one proposal of the leader. It must know the block notarized in p and a
//     nullification of every view between p and v. The proposed block must be that one or descend
//     from it, descend from the last final one, and be on the builder's chain. It may also be on a
//     side branch that is whole and valid, contains the block notarized last, and is no shorter
//     than the chain was when the builder entered v (all blocks of a network have the same work);
//  3. votes to nullify v, unless it voted to finalize in v, if one of these is so: no proposal came
//     within 2 Δ; no notarization came within 3 Δ; no proposal is here and the leader is known to
//     be away; the leader itself voted to nullify v. A leader does so when its chain left the proposed block for
//     a longer branch, or for one with the block notarized last;
//  4. enters view v+1 with any certificate of v, from any lower view;
//  5. votes to finalize what was notarized in a view that it did not nullify, also later.
//
// A certificate of finalize makes its block and all below it final, so not every block needs a
// view. Δ is 250 ms. It doubles with every nullified view, up to 8 s, until a block is final.
//
// # What it promises, and why
//
//   - Safety: no two final blocks exclude each other while at most f lie. Two quorums share at
//     least n-2f > f builders, so an honest one. If a quorum voted to finalize B in view v, no
//     quorum nullified v, since an honest builder in both quorums would have done both. So a
//     proposal of a later view that gets an honest vote has a parent view of v or later. In v only
//     B was notarized, since an honest builder notarizes once a view. By induction, all that is
//     notarized after v descends from B.
//   - Proof: if more lie and two final blocks exclude each other, two votes of each of n-2f
//     builders prove it ([Evidence]), without any transcript. A node that holds votes which a
//     certificate excludes has both votes of each such builder, and gossips them.
//   - Progress: when messages arrive within Δ and a quorum is up, its builders reach the highest view
//     together. An honest leader proposes a tip that all have or get, and that becomes final. Another
//     leader's view is nullified after 3 Δ at most, and of n views in a row f have one. Meanwhile
//     the fork choice prefers the block notarized last, so the builders' chains come together.
//   - Speed: a tip is final after three message delays, of proposal, notarize and finalize votes.
//   - Silence: while the tip is final, no vote is cast and no timer runs.
//
// At most f liars can waste the views they lead, by silence, by a block that they withhold, or by
// two blocks. They cannot make an invalid block final, undo a final one, or stop the chain. More of
// them can keep blocks from becoming final. n-2f that sign twice can split a network that they also
// cut in two. A quorum of them can make an invalid block final. Nodes that see two final blocks, or
// an invalid one, stop and report why ([chain.ErrFinal] of ledger/chain).
//
// # Where it differs from the paper
//
//   - Blocks belong to no view. One may be proposed in several, and a view may finalize many. A vote
//     to notarize also needs a block that the voter's chain could switch to. Votes name the
//     parent view and not its chain. The paper's dummy block is a nullify.
//   - Leaders take turns and are not drawn by lot. If 3 divides n, a quorum is one more than the
//     paper's two thirds.
//   - A leader proposes again the block that was notarized in the view before only after Δ, since
//     that will usually be final sooner.
//   - A timer runs only while there is something to finalize, and Δ grows. There are two timers, and
//     none for a leader that is known to be away, or that gave its view up because a longer branch
//     came after its proposal, as at the end of a split.
//   - A finalize vote may be cast up to 16 views late, even if the timer of a later view has fired.
//     As in the paper, a builder that voted to nullify a view may still notarize in it.
//   - Votes are sent to all once, and certificates not at all. Nodes ask each other for what they
//     lack, from [Machine.Lacks] on (p2p/vote).
//
// # Crashes and limits
//
// [Ready.Record] must be durable before its votes are published. Its certificate keeps a builder in
// its view after a crash. After a start the machine casts no vote of a view older than the record's
// last two. A builder that lost its record is mute until voting is safe (restored.go). If more than
// f of four or more builders lose theirs, nothing becomes final until their operators allow them to
// vote again ([Machine.VoteAgain]). Votes are kept of 16 views before the current one and 64 after
// it, two for each builder, kind and view, at most 8 MB with 100 builders. Certificates are kept
// from the last final view on, of at most 4,096 views in memory, and all on disk, for nodes that
// join. A certificate of 30 builders has 1.4 kB.
package finality
