// Package finality decides when a block is final, which means that it is never taken
// back. It is a pure state machine: no clock, disk, network or goroutine. Package
// builder drives it, and ledger/chain obeys it.
//
// # What it adds
//
// A chain that the most work decides never stops, and never promises anything: a
// longer branch may appear. On a network that names its builders, they vote on top
// of it. Blocks are built as before, by whoever is there. When enough builders are
// there too, a prefix of the chain becomes final. When they are not, the chain goes on
// and is not final. This shape is called ebb-and-flow (Neu, Tas, Tse, arXiv 2009.04987).
//
// # The protocol
//
// The votes are those of Simplex (Chan, Pass, eprint 2023/463), over blocks that
// exist already. Of n builders fewer than a third may lie. A quorum is
// n - floor((n-1)/3) of them, so two quorums share an honest builder. A certificate is
// a quorum of votes for the same [Statement].
//
// Time is divided into views, numbered from 1. The builder with number v mod n leads
// view v. With a tip that is not final yet, an honest builder in view v
//
//  1. proposes, as leader, the tip of its chain, by its own notarize vote;
//  2. votes to notarize what the leader proposed, once a view, if the block descends
//     from, or is, the one notarized in the proposal's parent view p, if it knows that
//     certificate, and a nullification of every view between p and v, and if the block
//     is on its chain, or on a whole and valid branch that is no shorter than its
//     chain was when it entered v and that contains the block notarized last;
//  3. votes to nullify v when no proposal came within 2 Δ, or no notarization within
//     3 Δ, or the leader is known to be away, unless it voted to finalize in v;
//  4. enters view v+1 with any certificate of v, from any lower view;
//  5. votes to finalize what was notarized in a view that it did not nullify, also
//     when that view is over.
//
// A certificate of finalize makes its block, and all blocks below it, final. A view
// finalizes the newest tip and so all below it. There is no view a block.
//
// While the tip is final, nobody votes and no timer runs. Δ is 250 ms. It doubles with
// every view that is nullified, up to 8 s, until a block is final.
//
// # Why it is safe
//
// If a quorum voted to finalize B in view v, no quorum nullified v, since an honest
// builder in both would have done both. So each proposal of a later view that gets an
// honest vote has a parent view of v or later. In v only B was notarized, since an
// honest builder notarizes once a view. By induction over the views, all that is
// notarized after v descends from B. So no two final blocks exclude each other while
// fewer than a third lie. If more do, two of their votes prove it ([Evidence]).
//
// # Why it ends
//
// When messages arrive within Δ and a quorum is up, all honest builders reach the
// highest view soon after the first: votes are sent to all, and a node that missed some
// asks its peers for the certificates from [Machine.Lacks] on. The leader, if honest,
// proposes a tip that all have or get, and the quorum notarizes and finalizes it. If it
// lies or is away, all nullify its view after 3 Δ at most. Fewer than a third of any n
// views in a row have such a leader. Until then the fork choice prefers the block that
// was notarized last, so the builders' chains come together.
//
// # Where it differs from the paper
//
//   - Blocks do not belong to views. One block may be proposed in several views, and a
//     view may finalize many blocks.
//   - A vote to notarize also needs a block that the voter's own chain could switch to.
//   - Leaders take turns and are not drawn by lot. A quorum is the paper's two thirds,
//     and one more when 3 divides n.
//   - A leader does not propose the block that was notarized in the view before, until
//     Δ has passed, since it will be final in a moment.
//   - A timer runs only while there is something to finalize, and Δ grows. There are two
//     timers, and none for a leader that is known to be away.
//   - A finalize may come when its view is long over, within 16 views, even if the timer
//     of a later view has fired. As in the paper, a builder that voted to nullify a view
//     may still vote to notarize in it.
//   - Certificates are not sent to all. Each node makes them from votes, or asks for them.
//   - Own votes of the current view and the one before are handed out again, after 1 s and
//     then ever more rarely up to every 8 s, since a network may lose them. Where it drops
//     what it carried before, as gossip does, nodes ask each other (package p2p/vote).
//
// # Crashes and copies
//
// [Ready.Record] holds own votes and must be durable before they are published. After a
// start the machine casts no vote of an older view than the record's last two. A builder
// without its record is mute until that is safe (restored.go). When there are four or
// more, and more of them lose it than may be away, nothing becomes final any more. A vote
// of its own key that it did not cast stops it ([Machine.Copied]).
//
// # Limits
//
// Votes are kept of the 16 views before the current one and 64 after it, and of a builder
// two a kind and view. With 100 builders that is 8 MB at most. Certificates are kept from
// the last final view on, of 4,096 views at most. A node remembers that older views were
// nullified, but cannot show it to others: one that joins after so many views without
// agreement votes when a block was notarized again. One of 30 builders has 1.4 kB.
package finality
