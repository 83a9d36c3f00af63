// Package finality decides when a block is final, which means that it is never taken back. It is
// a pure state machine, without clock, disk, network or goroutine. Package builder drives it:
// it gives a [Machine] votes, certificates and time, and does what [Machine.Ready] returns. Package
// committee verifies them, ledger/chain obeys the certificates, and p2p/vote carries them.
//
// A chain that the most work decides never stops, and never promises anything, since a longer
// branch may appear. On a network that names its builders, they vote on top of it. Blocks are built
// as before, by any builder that is there. While a quorum is there too, a prefix of the chain
// becomes final. While it is not, the chain goes on and is not final. This shape is called
// ebb-and-flow (Neu, Tas, Tse, arXiv 2009.04987).
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
//  2. votes to notarize one proposal of the leader, if it knows the block notarized in p and a
//     nullification of every view between p and v, if the proposed block is that one or descends
//     from it, and from the last final one, and if its chain has the proposed block. A branch beside
//     its chain will do that is whole and valid, no shorter than its chain was when it entered v (all
//     blocks of a network are the same work), and contains the block notarized last;
//  3. votes to nullify v, unless it voted to finalize in v, when no proposal came within 2 Δ, or no
//     notarization within 3 Δ, or no proposal is here and the leader is known to be away, or the
//     leader itself gave v up. It does when its chain left the block that it proposed for a longer
//     branch, or for one with the block notarized last;
//  4. enters view v+1 with any certificate of v, from any lower view;
//  5. votes to finalize what was notarized in a view that it did not nullify, also later.
//
// A certificate of finalize makes its block and all below it final, so a view is not needed for each
// block. Δ is 250 ms. It doubles with every nullified view, up to 8 s, until a block is final.
//
// # What it promises, and why
//
//   - Safety: no two final blocks exclude each other while at most f lie. Two quorums share n-2f > f
//     builders, so an honest one. If a quorum voted to finalize B in view v, no quorum nullified v,
//     since an honest builder in both would have done both. So a proposal of a later view that gets
//     an honest vote has a parent view of v or later. In v only B was notarized, since an honest builder
//     notarizes once a view. By induction, all that is notarized after v descends from B.
//   - Proof: if more lie and two final blocks exclude each other, two votes of each of n-2f builders
//     prove it ([Evidence]), without any transcript. A node that holds what a certificate excludes
//     has both, and gossips them.
//   - Progress: when messages arrive within Δ and a quorum is up, its builders reach the highest view
//     together. An honest leader proposes a tip that all have or get, and that becomes final. Another
//     leader's view is nullified after 3 Δ at most, and of n views in a row f have one. Meanwhile
//     the fork choice prefers the block notarized last, so the builders' chains come together.
//   - Speed: a tip is final after proposal, notarize and finalize, three message delays.
//   - Silence: while the tip is final, no vote is cast and no timer runs.
//
// Liars, at most f of them, can waste the views they lead, with silence, with a block that nobody else
// has, or with two. They cannot make an invalid block final, undo a final one, or stop the chain.
// More of them can keep blocks from becoming final. n-2f that sign twice can split a network that
// they also cut in two. A quorum of them can make an invalid block final: the nodes that see either
// stop, and say why ([chain.ErrFinal] of ledger/chain).
//
// # Where it differs from the paper
//
//   - Blocks belong to no view. One may be proposed in several, and a view may finalize many. A vote
//     to notarize also needs a block that the voter's chain could switch to. Votes name the
//     parent view and not its chain. The paper's dummy block is a nullify.
//   - Leaders take turns and are not drawn by lot. Where 3 divides n, a quorum is one more than the
//     paper's two thirds.
//   - A leader proposes a block again that was notarized in the view before only after Δ, since it
//     will be final in a moment.
//   - A timer runs only while there is something to finalize, and Δ grows. There are two timers, and
//     none for a leader that is known to be away, or that gave its view up because a longer branch
//     came after its proposal, as at the end of a split.
//   - A finalize may come when its view is long over, within 16 views, even if the timer of a later
//     view has fired. As there, a builder that voted to nullify a view may still notarize in it.
//   - Certificates are not sent to all, and votes once. Nodes ask each other for what they lack, from
//     [Machine.Lacks] on (p2p/vote).
//
// # Crashes and limits
//
// [Ready.Record] must be durable before its votes are published. With its certificate a crash takes
// no builder back below its view. After a start the machine casts no vote of an older view than the
// record's last two. A builder that lost its record is mute until that is safe (restored.go). Of four
// or more, if more than f lose it, nothing becomes final any more, until their operators say that they
// may vote again ([Machine.VoteAgain]). Votes are kept of 16 views before the current one and 64 after
// it, of a builder two a kind and view, which is 8 MB at most with 100 builders. Certificates are kept
// from the last final view on, of 4,096 views at most in memory, and all on disk, from where one that
// joins gets them. A certificate of 30 builders has 1.4 kB.
package finality
