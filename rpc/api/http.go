package api

// A Problem is the problem details (RFC 9457) of an HTTP error, with members of our own.
type Problem struct {
	Type   string `json:"type"`   // about:blank, since the status is the kind
	Title  string `json:"title"`  // of the status
	Status int    `json:"status"` // as the response's
	Detail string `json:"detail"` // what is wrong, in words for people

	Item  string `json:"item,omitempty"`  // such as pool[2], if known
	Field string `json:"field,omitempty"` // of the item, or the parameter
	Rule  string `json:"rule,omitempty"`  // that it breaks

	Scope string `json:"scope,omitempty"` // the scope that the token lacks

	WayOut    string `json:"way_out,omitempty"` // what to do
	Submitted        // for a submit of which nothing was taken
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// The answers to the ops of these names. Programs that pass their elements on as they came
// read them as jsontext.Value.
type (
	Pool       = PoolOf[Tx]
	Blocks     = BlocksOf[Block]
	BlockReply = BlockReplyOf[Block]
	Accounts   = AccountsOf[Holding]
)

// A PoolOf is the answer to "pool": transactions that are in no block yet.
type PoolOf[T any] struct {
	Pool []T     `json:"pool"`
	Next *uint64 `json:"next,omitzero"` // start of the rest; nil if there is none
}

// BlocksOf is the answer to "blocks".
type BlocksOf[T any] struct {
	Blocks []T     `json:"blocks"`
	Final  *uint64 `json:"final,omitempty"` // height of the last final block; null if there is none, absent if the network has no finality
	Next   *uint64 `json:"next,omitzero"`   // start of the rest; nil if there is none
}

// A Submit is the body of a submit.
type Submit struct {
	Pool []NewTransaction `json:"pool"`
}

// A NewTransaction is a Tx as a client may send it. The node adds what is absent.
type NewTransaction struct {
	ID        string  `json:"id,omitempty"` // UUID; a transaction sent again changes nothing
	Sender    string  `json:"sender"`
	Receiver  string  `json:"receiver"`
	Amount    uint64  `json:"amount"`
	T         float64 `json:"t,omitzero"`           // Unix seconds
	PrevHash  *string `json:"prev_hash,omitempty"`  // null, since only blocks have it
	PublicKey string  `json:"public_key,omitempty"` // hex, of keyed senders, as Signature
	Signature string  `json:"signature,omitempty"`
}

// Submitted lists the transactions of a submit that were not taken. The rest is on disk.
type Submitted struct {
	Refused []Refused `json:"refused,omitempty"`
	LeftOut int       `json:"refused_left_out,omitzero"` // how many more were refused than a reply can hold
}
