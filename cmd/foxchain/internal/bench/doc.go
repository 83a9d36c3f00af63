// Package bench measures throwaway nodes under load and, in the same run, the raw part
// that bounds each figure. On a busy machine the ratio of the two means more than
// a figure.
//
// The nodes run in this process and listen on this machine only. Loads are made before
// the clock starts, some 300 bytes a transaction, and sent over WebSockets in messages of
// 1,000, on four connections. Each sends its next message when the last one was accepted.
// Blocks are observed in the nodes' ledgers.
//
// # Rows
//
//	accept      accepted, which means on disk, by a node that does not build
//	commit      accepted, in a block and indexed
//	commit-all  the same, on all nodes
//	latency     from accepted to the block on all nodes, of bursts of one block
//	sync        a new node fetches and verifies the chain
//	signed      signed transactions, in a block and indexed on all nodes
//
// The raw part of a rate is LevelDB alone, with two records of 100 bytes under random
// keys for each transaction, in synced batches of 1,000. The raw part of the latency is
// one synced batch of a burst, and that of signed transactions is verifying each
// signature once on all cores. A raw part is measured before and after its row.
package bench
