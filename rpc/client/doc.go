// Package client asks one node over its WebSocket. [Dial] connects, and a [Client]
// then makes any number of calls at once: each method is one op, [Client.Get] any
// other. [Client.Subscribe] has the node send events.
//
// A client never connects again by itself. When its connection ends every call
// returns [ErrEnded] with the reason. A [Session] dials again. Subscribe then After
// the Last of the last block event: no block is missed.
//
// The name localhost is 127.0.0.1 or ::1, also where the hosts file lacks it.
//
// A message has at most 16 MiB. A node that is silent for 90 s is taken for gone;
// it pings every 30 s. One that does not answer a Get within 30 s is too ([ErrSlow]). A
// merge has no such bound, since a disk may be slow.
package client
