// Package vote carries the votes of builders between nodes, on networks that have
// finality.
//
// # The topic
//
// Each vote is published once, on the topic vote. What is lost comes by the stream. The
// validator answers
//
//	of a view more than 16 below this node's, or 64    Ignore
//	above it
//	seen already, or the third of its builder, kind    Ignore
//	and view, since two prove that the builder lies
//	not a vote, no such builder, a wrong signature     Reject, and the sender is banned
//	any other                                          Accept
//
// What is ignored costs no signature. So a builder that floods makes a node verify 405
// votes, five for each of those 81 views (a view has one nullify), and then as many for
// each view that passes.
//
// # The stream
//
// Gossip loses votes, and a node that was cut off has missed some. So a node asks each peer
// when it connects, until it has answered. While a block waits to become final it asks four
// more, drawn by lot, builders first: after half a second, then ever more rarely up to every
// 8 s. Four are enough, since each has nearly all votes, and thirty builders that asked all would
// have the most work when votes are late. A question is the lowest view of which the asker
// lacks something. The answer has the certificates from that view on, the last final and the
// last notarized block's, the votes of the answering node's last two views, and after these the
// two votes of each proof that a builder lied.
//
// # Evidence
//
// A node that finds that a builder signed two votes that exclude each other publishes both on
// the topic, once. So every node that is connected and near that view learns it at once. The
// topic ignores votes of an older view. A node that joined later, or that was on the other side
// of a split when a pair was in two certificates, gets the proof with the first answer of any
// node that has it, however old it is. Nodes ask when they connect, so none that is connected
// to one that knows goes without, unless it asks nobody until a block waits to become final. Of
// a builder one proof is kept and sent, 200 votes at most.
//
// # Limits
//
// An answer has at most 64 certificates and 1,000 votes in 1 MiB, five for each of 100 builders
// and two views, and takes 5 s at most. A longer rest comes with the next question, which
// follows at once if the answer moved that view up. A node asks at most 256 peers at once, and
// none twice at once. It answers 4 questions of one peer at once, and resets further streams.
// Each vote and certificate is verified before it is taken, but no signature twice
// ([committee.Committee]), however many peers answer with it. A peer whose answer has a forged
// one is banned.
package vote
