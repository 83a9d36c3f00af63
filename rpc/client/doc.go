// Package client asks one node over its WebSocket. [Dial] connects, and a [Client] then
// makes any number of calls at once. Each method is one op, and [Client.Get] any op.
// [Client.Subscribe] makes the node send events.
//
// A client never connects again by itself. When its connection ends every call returns
// [ErrEnded] with the reason. A [Session] dials again. To miss no block, subscribe then
// with After set to the Last of the last block event.
//
// The name localhost is 127.0.0.1 or ::1, even if the hosts file lacks it.
//
// A message has at most 16 MiB. A node pings every 30 s. If it is silent for 90 s, or
// does not answer a Get within 30 s ([ErrSlow]), it is taken for gone. A merge has no
// such bound, since a disk may be slow.
package client
