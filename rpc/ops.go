package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
)

// A request is one message being answered.
type request struct {
	args   args
	host   string // the Host header, by which the client reached this node
	*grant        // what the client may do

	json *reader // to read the message with

	// conn is the request's connection, or nil if events cannot be sent.
	conn *conn
	// after, set by an op, runs after the reply was queued.
	after func(context.Context)
}

// An op writes its whole answer to out, or returns an error, which becomes the answer. An
// *opError is the client's fault, any other error a failure of this node.
type op func(ctx context.Context, q *request, out *reply) error

// An ops answers the messages of all connections.
type ops struct {
	table map[string]entry
	chain *chainOps // for told events
	log   *slog.Logger
}

// An entry is an op, and the scope that a token needs for it.
type entry struct {
	do    op
	needs Scope
}

func newOps(cfg *Config, node *nodeOps, sampler *sampler) *ops {
	chain, build := &chainOps{finder: finder{cfg.Chain}, node: node, ranking: semaphore.NewWeighted(1)}, &buildOps{cfg.Sealer}
	merge := &mergeOps{chain: cfg.Chain, seal: cfg.Sealer.Seal, now: cfg.Now}
	return &ops{log: cfg.Log, chain: chain, table: map[string]entry{
		// The original's.
		"pool":     {chain.pool, Read},
		"blocks":   {chain.blocks, Read},
		"peers":    {node.peers, Read},
		"register": {node.register, manage},
		"merge":    {merge.merge, Submit}, // and manage for blocks
		"time":     {node.time, 0},
		// Ours.
		"info":         {node.info, Read},
		"forget":       {node.forget, manage},
		"branches":     {chain.branches, Read},
		"samples":      {sampler.samples, Read},
		"tx":           {chain.tx, Read},
		"told":         {chain.told, Read},
		"block":        {chain.block, Read},
		"account":      {chain.account, Read},
		"accounts":     {chain.accounts, Read},
		"statement":    {chain.statement, Read},
		"proof":        {chain.proof, Read},
		"evidence":     {node.evidence, Read},
		"certificates": {node.certificates, Read},
		"certify":      {node.certify, manage},
		"template":     {build.template, manage},
		"submit":       {build.submit, manage},
		"subscribe":    {subscribe, Read},
	}}
}

var (
	errCannotParse = &opError{status: 500, text: "Cannot parse request message."}
	errNoOp        = &opError{status: 500, text: "Message body is not supported."}
	errLongID      = &opError{status: 500, text: fmt.Sprintf("id: must be at most %d bytes of JSON", maxID)}
)

// answer writes the reply to one message, also a malformed one, and returns the name of
// its op, for the metrics. Every reply has a status.
func (s *ops) answer(ctx context.Context, q *request, msg []byte, out *reply) (name string) {
	m, err := parseMessage(q.json, msg)
	name = "other"
	switch {
	case err != nil:
		err = errCannotParse
	case len(m.id) > maxID:
		m.id, err = nil, errLongID
	case m.op == nil || m.op.Kind() == 'n':
		err = errNoOp
	default:
		var op entry
		op, name, err = s.lookUp(m.op)
		if err == nil {
			err = q.mayUse(op.needs, "the op "+name)
		}
		if err == nil && m.badArgs {
			err = badArg("args", "must be an object")
		}
		if err == nil {
			q.args = m.args
			err = op.do(ctx, q, out)
		}
	}
	if err != nil {
		q.after = nil
		out.fail(err)
		s.logFailure(name, err)
	}
	out.finish(m.id)
	return name
}

// lookUp finds the op that a message names. A name that is not text is not supported, and
// the error shows it as it was written.
func (s *ops) lookUp(v jsontext.Value) (entry, string, error) {
	name, isText := unquote(v)
	if !isText {
		name = string(v)
	}
	if op, ok := s.table[name]; ok && isText {
		return op, name, nil
	}
	return entry{}, "other", &opError{status: 404, text: fmt.Sprintf(`Operation "%s" is not supported`, ledger.Shorten(name, 100))}
}

// logFailure logs a failure of this node. Errors of clients are not logged.
func (s *ops) logFailure(op string, err error) {
	var e *opError
	if !errors.As(err, &e) && !errors.Is(err, context.Canceled) {
		s.log.Error("could not answer a request", "op", op, "error", err)
	}
}
