package rpc

import "context"

// maxBranches is how many headers one reply of branches has.
const maxBranches = 1000

// opBranches lists the headers known here that are not on the chain, from a
// height on: what lost against the chain, and what is still being fetched.
func (s *Server) opBranches(_ context.Context, q *request, out *reply) error {
	start, err := q.args.integer("start", 0)
	if err != nil {
		return err
	}
	limit, err := q.args.within("limit", maxBranches, 1, maxBranches)
	if err != nil {
		return err
	}
	from := fromEnd(start, s.cfg.Chain.Status().Tip.Blocks)
	out.ok()
	out.raw(`{"headers":[`)
	for _, h := range s.cfg.Chain.SideHeaders(from, int(limit)) {
		fits, err := out.item(h.AppendJSON)
		if err != nil {
			return err
		}
		if !fits {
			break
		}
	}
	out.raw(`]}`)
	return nil
}
