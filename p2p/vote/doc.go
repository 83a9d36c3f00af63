// Package vote carries the votes of builders between nodes, on networks that have
// finality.
//
// # The topic
//
// Each vote is published once, on the topic vote. Lost votes come by the stream. The
// validator answers
//
//	of a view more than 16 below this node's, or       Ignore
//	more than 64 above it
//	seen already, or the third of its builder, kind    Ignore
//	and view, since two prove that the builder lies
//	not a vote, no such builder, a wrong signature     Reject, and the sender is banned
//	any other                                          Accept
//
// No signature of an ignored vote is verified. So a builder that floods makes a node
// verify 405 votes, five for each of these 81 views (a view has one nullify), and five
// for each view that passes.
//
// # The stream
//
// Gossip loses votes, and a node that was disconnected has missed some. So a node asks each peer when
// it connects, until the peer has answered. While a block waits to become final it asks four
// more, drawn by lot, builders first. It does so after half a second, then after twice as long
// each time, up to 8 s. Four are enough, since each has nearly all votes. If thirty builders
// asked all others, they would have the most work when votes are late. A question is the lowest
// view of which the asker lacks something. The answer has the certificates from that view on,
// those of the last final and the last notarized block, the votes of the answering node's last
// two views, and after these the two votes of each proof that a builder lied.
//
// # Evidence
//
// A node that finds that a builder signed two votes that exclude each other publishes both on
// the topic, once. So every node that is connected and near that view learns of it at once. The
// topic ignores votes of older views. A node that joined later, or that was on the other side
// of a split when a pair was in two certificates, gets the proof with the first answer of any
// node that has it, however old it is. Since nodes ask only when they connect and while a block
// waits to become final, a proof that a peer learns later may come only then. One proof of each
// builder is kept and sent, 200 votes at most.
//
// # Limits
//
// An answer has at most 64 certificates and 1,000 votes in 1 MiB, five for each of 100 builders and
// two views, and takes 5 s at most. If an answer has 64 certificates and raised that view, the next
// question follows at once. A node asks at most 256 peers at once, and each only once at a time. It
// answers 4 questions of one peer at once, and resets further streams. Each vote and certificate is
// verified before it is taken, but no signature twice ([committee.Committee]). A peer whose answer
// has a forged one is banned.
package vote
