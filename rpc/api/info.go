package api

import (
	"fmt"
	"math"

	"foxchain/ledger"
)

// Info is a node's own state. It is the response of the op info, and the data of status
// events. Times are Unix seconds unless noted.
type Info struct {
	Name    string      `json:"name"`    // the node's own
	Version string      `json:"version"` // of its program
	Network NetworkInfo `json:"network"`

	Key        ledger.PublicKey `json:"node_key"`   // the builder in its blocks
	PeerID     string           `json:"peer_id"`    // its ID among nodes
	Multiaddrs []string         `json:"multiaddrs"` // where it listens for them, each with /p2p/ and its ID
	WS         string           `json:"ws"`         // its WebSocket's URL, with the host that the asker used

	Blocks   uint64      `json:"blocks"`    // of the chain
	Tip      ledger.Hash `json:"tip"`       // the last block's hash; the network's ID if there is none
	TipTime  *uint64     `json:"tip_time"`  // Unix milliseconds, its builder's claim; nil if there is none
	TipBuilt *float64    `json:"tip_built"` // the same in Unix seconds
	TipSince float64     `json:"tip_since"` // when it became the tip here
	Work     string      `json:"work"`      // of the chain, decimal: the sum of 2^bits

	Final  *MaybeFinal `json:"final,omitzero"`  // the last final block; absent if the network has no finality
	Voting *Voting     `json:"voting,omitzero"` // as Final

	Pool          int      `json:"pool"`           // transactions in the pool
	Payable       int      `json:"payable"`        // of these, how many a block could hold now
	Waiting       int      `json:"waiting"`        // of these, how many cannot be paid yet
	Expired       uint64   `json:"expired"`        // transactions that expired while waiting, since start
	NextArrival   uint64   `json:"next_arrival"`   // the arrival number of the next transaction
	OldestPayable *float64 `json:"oldest_payable"` // when the transaction that has been payable the longest arrived; nil if there is none

	Peers    int      `json:"peers"`              // connected nodes
	Nodes    int      `json:"nodes"`              // other nodes that it knows of
	Missing  *Missing `json:"missing"`            // nodes that have not answered lately; nil for none
	Builds   bool     `json:"builds"`             // blocks of its own can be expected
	BlockTxs int      `json:"block_txs,omitzero"` // payable transactions that make it build a block; 0 if it does not build itself
	MaxWait  float64  `json:"max_wait,omitzero"`  // seconds after which it builds a smaller block; 0 for never
	Sync     *Sync    `json:"sync"`               // nil if it is not catching up

	Reorgs     uint64 `json:"reorgs"`       // to another branch, since start
	DeepReorgs uint64 `json:"deep_reorgs"`  // of these, those that reverted more than 10 blocks
	Rivals     uint64 `json:"rivals"`       // blocks that competed for a height with another, since start
	Side       int    `json:"side_headers"` // known headers that are not on the chain

	Connections int      `json:"connections"`  // open WebSockets, streams of events and backups
	Refusals    uint64   `json:"refusals"`     // requests that were not admitted, since start
	LastRefusal *Refusal `json:"last_refusal"` // nil if there was none

	DiskFree *uint64 `json:"disk_free"` // bytes left for the data directory, in whole 16 MiB; nil if not known

	Copied string `json:"copied"` // that another node runs with this one's key, in words; empty if none does

	Started float64 `json:"started"`
	Uptime  float64 `json:"uptime"` // seconds
	Time    float64 `json:"time"`   // the node's clock
}

// NextBlock returns, in words for people, how many transactions of the next block are
// there, and when this node's own builder builds it. Another builder may be faster.
func (in *Info) NextBlock() string {
	if in.BlockTxs == 0 {
		return "this node does not build, so another one decides when the block comes"
	}
	left := in.MaxWait
	if in.OldestPayable != nil {
		left -= in.Time - *in.OldestPayable
	}
	words := fmt.Sprintf("%d of %d; a block comes ", min(in.Payable, in.BlockTxs), in.BlockTxs)
	switch seconds := int(math.Ceil(left)); {
	case in.Payable >= in.BlockTxs || in.MaxWait > 0 && seconds <= 0:
		return words + "any moment"
	case in.MaxWait == 0:
		return words + fmt.Sprintf("with %d more", in.BlockTxs-in.Payable)
	case seconds < 60:
		return words + fmt.Sprintf("in %d s at most", seconds)
	default:
		return words + fmt.Sprintf("in %d min %d s at most", seconds/60, seconds%60)
	}
}

// A NetworkInfo is the rules of a node's network.
type NetworkInfo struct {
	Name      string             `json:"name"`
	ID        ledger.Hash        `json:"id"`
	Bits      uint8              `json:"bits"`                 // of work in a block
	Issuers   []string           `json:"issuers"`              // accounts that mint
	Issuer    string             `json:"issuer,omitempty"`     // the first issuer, called issuer by the commands; empty if there is none
	Builders  []ledger.PublicKey `json:"builders"`             // that may build blocks; if empty, every node may
	KeyedOnly bool               `json:"keyed_only"`           // only accounts made from keys may send
	NoSelfPay bool               `json:"no_self_pay,omitzero"` // no account may pay itself

	Credit        map[string]uint64 `json:"credit,omitempty"`        // what accounts may owe, if not CreditDefault
	CreditDefault uint64            `json:"credit_default,omitzero"` // what every other account may owe
	MaxUnfinal    uint64            `json:"max_unfinal,omitzero"`    // most blocks above the last final one; 0 for no bound

	Caution string `json:"caution,omitempty"` // what the rules allow everybody, in words; empty for nothing
}

// A Refusal is a request that a node did not admit.
type Refusal struct {
	Time   float64 `json:"time"`
	Remote string  `json:"remote"` // the client's address
	Origin string  `json:"origin"` // the request's web origin; empty for none
	Reason string  `json:"reason"`
	Why    Reason  `json:",embed"` // the same for other languages
}

// A Sync reports how far a node has caught up with its peers.
type Sync struct {
	Best   uint64 `json:"best"`   // blocks of the longest chain that a connected peer claims
	Behind uint64 `json:"behind"` // how many of them are not here yet
}

// Samples are the last hour, a list for each quantity, with one sample each 10 s.
// Transactions and bytes between nodes are counted since the start.
type Samples struct {
	Time   []float64 `json:"time"`
	Blocks []uint64  `json:"blocks"`
	Txs    []int64   `json:"txs"`
	Pool   []int     `json:"pool"`
	Peers  []int     `json:"peers"`
	Bytes  []uint64  `json:"bytes"`
}
