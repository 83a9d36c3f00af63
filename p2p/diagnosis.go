package p2p

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multistream"

	"foxchain/rpc/api"
)

const (
	lonelyTime   = 30 * time.Second
	maxDiagnosis = 8 // lines

	missingAfter = liveTime         // of silence, then a node is missing
	missingTime  = 12 * time.Hour   // for which it stays so
	seenEvery    = 10 * time.Minute // to which the book rounds when a connected node was seen
)

// AloneSince returns since when the node has had no peer, or zero while it has one.
func (o *roster) AloneSince() time.Time { return o.table.aloneSince() }

// stateOf returns the state of a node by its entry and its last status line, of which one
// may be nil, and when a missing one was last there. The state is "" if only an old
// status line is known. The caller holds table.mu.
func (o *roster) stateOf(e *knownPeer, r *nodeRecord, now time.Time) (string, time.Time) {
	var last time.Time
	if r != nil {
		last = r.at
	}
	heard := r != nil && now.Sub(last) < missingAfter
	if e == nil {
		switch {
		case heard:
			return HeardOf, time.Time{}
		case now.Sub(last) < missingTime:
			return Missing, last
		}
		return "", time.Time{}
	}
	last = later(e.left, last)
	gone := now.Sub(later(last, o.started))
	switch {
	case e.refused(now) && e.banned:
		return Banned, time.Time{}
	case e.refused(now), e.reason.Code != "" && e.session == nil && len(e.addrs) == 0: // not dialed without an address
		return Refused, time.Time{}
	case e.connected():
		return Connected, time.Time{}
	case heard && (e.left.IsZero() || now.Sub(e.left) >= missingAfter):
		return HeardOf, time.Time{}
	case e.other != "":
		return Replaced, time.Time{}
	case !last.IsZero() && now.Sub(last) < missingTime && gone >= missingAfter:
		return Missing, last
	case e.session != nil:
		return Connecting, time.Time{}
	case e.fails == 0, gone < missingAfter && now.Sub(last) < missingTime:
		return Dialing, time.Time{}
	}
	return NotReached, time.Time{}
}

// noteStates notifies of states that time alone changed since the last round, and forgets
// replaced nodes.
func (o *roster) noteStates(last, now time.Time) {
	o.table.mu.Lock()
	defer o.table.mu.Unlock()
	changed := false
	o.each(func(id peer.ID, e *knownPeer, r *nodeRecord) {
		before, _ := o.stateOf(e, r, last)
		state, _ := o.stateOf(e, r, now)
		changed = changed || before != state || r != nil && r.late(last) != r.late(now)
		switch {
		case e == nil:
		case e.idle(now):
			o.table.forget(e)
			changed = true
		case state == Replaced && !e.registered() && !e.dialing && e.session == nil && now.Sub(e.otherAt) > replacedTime:
			o.log.Info("forgot a node that another identity replaced", "node", e.name, "peer", id, "by", o.table.labelOf(e.other))
			o.drop(e)
			changed = true
		}
	})
	if changed {
		o.notify()
	}
}

// strangers returns the addresses of which handshakes failed lately, and when last. The
// addresses of nodes that were ever connected are left out, since their handshakes also
// fail when a cable is pulled, a machine sleeps, or an old identity is dialed. In a
// private network this machine's own stay in, since nodes with other keys may run here.
// The caller holds table.mu.
func (o *roster) strangers() map[netip.Addr]time.Time {
	all := o.gater.failedHandshakes()
	if len(all) == 0 {
		return nil
	}
	for _, e := range o.table.known {
		addrs := e.addrs
		if e.session != nil {
			addrs = append(slices.Clip(addrs), e.session.addr)
		}
		for _, a := range addrs {
			if ip, ok := ipOf(a); ok && e.reached && (o.cfg.PSK == nil || !o.near.isOwn(ip)) {
				delete(all, ip)
			}
		}
	}
	return all
}

// noteHandshakes logs the addresses whose handshakes begin to fail.
func (o *roster) noteHandshakes(now time.Time) {
	fresh, changed := o.gater.sweep(now)
	o.table.mu.Lock()
	strangers := o.strangers()
	o.table.mu.Unlock()
	for _, ip := range fresh {
		if _, ok := strangers[ip]; ok {
			o.log.Warn("handshakes from an address fail", "ip", ip, "reason", o.stranger(now).String())
		}
	}
	if changed {
		o.notify()
	}
}

// stranger returns the reason of an inbound handshake that failed, last at a time.
func (o *roster) stranger(at time.Time) api.Reason {
	code := "stranger"
	if o.cfg.PSK != nil {
		code = "stranger-psk"
	}
	return api.Why(code, "at", at.Format(time.TimeOnly))
}

// A trouble is an error in words for people, with its cause.
type trouble struct {
	reason api.Reason
	cause  error
}

func (t *trouble) Error() string { return t.reason.String() }
func (t *trouble) Unwrap() error { return t.cause }

// wordsOf returns an error as it is shown, in words, and its cause as detail.
func wordsOf(err error) (words api.Reason, detail string) {
	if t := (*trouble)(nil); errors.As(err, &t) {
		return t.reason, clean(t.cause.Error(), maxReason)
	}
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.reason, ""
	}
	return api.Why("failed", "error", clean(err.Error(), maxReason)), ""
}

// explain puts the error of a dial into words.
func explain(err error, psk bool) error {
	var tried *swarm.DialError
	if !errors.As(err, &tried) || len(tried.DialErrors) == 0 {
		return &trouble{silence(err), err}
	}
	for _, d := range tried.DialErrors {
		if !neverReached(d.Cause) {
			return &trouble{api.Why(handshakeCode(d.Cause, psk), "addr", zoneForm(d.Address).String()), err}
		}
	}
	last := tried.DialErrors[len(tried.DialErrors)-1]
	return &trouble{silence(last.Cause), err}
}

// handshakeCode names the key of a private network only where one is in use, or
// the bytes that came look like one.
func handshakeCode(err error, psk bool) string {
	var other sec.ErrPeerIDMismatch
	switch {
	case errors.As(err, &other):
		return "handshake-node"
	case psk:
		return "handshake-psk"
	case errors.Is(err, multistream.ErrTooLarge), errors.Is(err, multistream.ErrIncorrectVersion),
		strings.Contains(err.Error(), "trailing newline"):
		return "handshake-private"
	}
	return "handshake"
}

// The errors of Config.Resolve that have words of their own.
var (
	ErrNoNode     = errors.New("no node answers")
	ErrWantsToken = errors.New("the node wants its token")
)

// URLWords returns, in words for people, why the node at a URL gave no multiaddrs.
func URLWords(err error) string { return explainURL(err).Error() }

// explainURL puts into words why the node at a registered URL gave no multiaddrs.
func explainURL(err error) error {
	switch {
	case errors.Is(err, ErrWantsToken):
		return &trouble{api.Why("url-token"), err}
	case neverReached(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ECONNREFUSED):
		return &trouble{silence(err), err}
	case errors.Is(err, ErrNoNode):
		return &trouble{api.Why("url-silent"), err}
	}
	return &trouble{api.Why("url-other"), err}
}

// silence returns the possible reasons why a node does not answer.
func silence(err error) api.Reason {
	var dns *net.DNSError
	const wsaNetUnreach, wsaConnRefused = syscall.Errno(10051), syscall.Errno(10061) // of Windows
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaConnRefused):
		return api.Why("no-node")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, wsaNetUnreach):
		return api.Why("no-route")
	case errors.As(err, &dns):
		return api.Why("no-name")
	}
	return api.Why("silent")
}

// neverReached reports whether err comes from before anything answered.
func neverReached(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	// QUIC reports a silent address by a timeout of its own.
	var silent net.Error
	if errors.As(err, &silent) && silent.Timeout() && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	// A deadline that passed while shaking hands comes wrapped.
	return errors.Unwrap(err) == nil && errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, swarm.ErrDialBackoff) || errors.Is(err, swarm.ErrNoTransport) ||
		errors.Is(err, network.ErrResourceLimitExceeded)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
