package api

import (
	"maps"
	"strings"
)

// A Reason is why a node is in its state, or why a request was refused. It is a code with
// parameters, from which a page makes words in its own language.
type Reason struct {
	Code string            `json:"reason_code,omitempty"` // one of Reasons; empty if there is no reason
	Args map[string]string `json:"reason_args,omitempty"` // parameters, by their names in the words
}

// reasons are the words of each code. {name} stands for a parameter.
var reasons = map[string]string{
	"silent":     "does not answer: switched off, asleep, or on another Wi-Fi",
	"no-node":    "does not answer: its machine is on, but no node runs there at this port",
	"no-route":   "cannot be reached: this machine is not on its network",
	"no-name":    "cannot be found: no machine of this name is known here",
	"url-silent": "does not answer: no node runs there at this port, or its machine is off, asleep or on another Wi-Fi",
	"url-token":  "does not let this node in: register the URL again with that node's token appended, as ?token=…",
	"url-other":  "answers, and names no address of a node that can be reached from here: another program or an original node may run there",
	"busy":       "it accepts connections and does not answer: it is overloaded, starting, or about to stop",
	"failed":     "{error}",

	"handshake-node":    "{addr} answers, but the handshake fails: another node answers there",
	"handshake-psk":     "{addr} answers, but the handshake fails: the private network's key (--psk) may be another, or on one side only",
	"handshake-private": "{addr} answers, but sends nothing readable: it is on a private network (--psk), or is another program",
	"handshake":         "{addr} answers, but the handshake fails: it is overloaded, about to stop, or another program",

	"network":    "it is on network {theirs} ({their_id}), this node is on {ours} ({our_id})",
	"version":    "it speaks version {theirs} of foxchain's protocols, this node speaks {ours}: update the older one",
	"program":    "it is no foxchain node of this version (it does not speak {protocol})",
	"refuses":    "it refuses this node: {why}",
	"misbehaved": "{what}",

	"through":      "it is on the network, and reached through others",
	"replaced":     "another identity, node {by}, answers at its address: its data directory was deleted, or another node has its address now",
	"clock":        "its clock is {time} {way}",
	"stranger":     "it connects and breaks off the handshake: it may look for another node at this address, or be another program (last at {at})",
	"stranger-psk": "it connects and fails the handshake: its private network's key (--psk) may be another, or it has none (last at {at})",

	"host":        "the node does not go by the name {name}",
	"origin":      "pages of the origin {origin} may not use this node",
	"site":        "a page of another site sent a request without an Origin header",
	"proxy":       "through a proxy the node needs its token",
	"remote":      "off loopback (localhost) the node needs its token",
	"scope":       "the token {name} has the scope {has}, and {what} needs the scope {needs}",
	"wrong-token": "the token is not that of this node: it is wrong, or it was revoked",
}

// Why returns the reason of a code. args are pairs of a parameter's name and its value.
func Why(code string, args ...string) Reason {
	r := Reason{Code: code}
	for i := 0; i < len(args); i += 2 {
		if r.Args == nil {
			r.Args = make(map[string]string)
		}
		r.Args[args[i]] = args[i+1]
	}
	return r
}

// String returns the words of the reason in English, "" if there is none.
func (r Reason) String() string {
	var pairs []string
	for name, value := range r.Args {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(reasons[r.Code])
}

// Reasons returns the words of each code in English. {name} in them stands for a
// parameter.
func Reasons() map[string]string { return maps.Clone(reasons) }

// Because gives p a reason.
func (p *Peer) Because(r Reason) { p.Reason, p.Why = r.String(), r }
