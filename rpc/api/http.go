package api

// A Problem is what is wrong with an HTTP request: problem details by RFC 9457, with what
// else a program may ask for.
type Problem struct {
	Type   string `json:"type"`   // about:blank: the status says what kind it is
	Title  string `json:"title"`  // of the status
	Status int    `json:"status"` // as the response's
	Detail string `json:"detail"` // what is wrong, in words for people

	Item  string `json:"item,omitempty"`  // where the words name it: in which item, such as pool[2]
	Field string `json:"field,omitempty"` // which of its fields, or which parameter
	Rule  string `json:"rule,omitempty"`  // what it breaks

	Scope string `json:"scope,omitempty"` // that the token lacks

	WayOut    string `json:"way_out,omitempty"` // what to do
	Submitted        // of a submit of which nothing was taken
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// A Pool is the answer to "pool": transactions that are in no block yet.
type Pool struct {
	Pool []Tx    `json:"pool"`
	Next *uint64 `json:"next,omitzero"` // start of the rest; nil: there is none
}

// Blocks is the answer to "blocks".
type Blocks struct {
	Blocks []Block `json:"blocks"`
	Final  *uint64 `json:"final,omitempty"` // height of the last final block; null: none is; absent: the network has no finality
	Next   *uint64 `json:"next,omitzero"`   // start of the rest; nil: there is none
}

// A Submit is transactions to submit.
type Submit struct {
	Pool []NewTransaction `json:"pool"`
}

// A NewTransaction is a Tx as it may be sent: what is absent the node adds.
type NewTransaction struct {
	ID        string  `json:"id,omitempty"` // UUID; the same one again changes nothing
	Sender    string  `json:"sender"`
	Receiver  string  `json:"receiver"`
	Amount    uint64  `json:"amount"`
	T         float64 `json:"t,omitempty"`          // Unix seconds
	PrevHash  *string `json:"prev_hash,omitempty"`  // null: it has a place in blocks only
	PublicKey string  `json:"public_key,omitempty"` // hex, of keyed senders, as Signature
	Signature string  `json:"signature,omitempty"`
}

// Submitted is what was not taken of a submit, while the rest was: it is on disk.
type Submitted struct {
	Refused []Refused `json:"refused,omitempty"`
	LeftOut int       `json:"refused_left_out,omitzero"` // how many more were refused than a reply can hold
}
