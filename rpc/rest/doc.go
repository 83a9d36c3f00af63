// Package rest is a node's HTTP interface, for programs without WebSocket: the reading ops,
// submitting, and blocks as server-sent events, under /v1/. It has no answers of its own. A
// Node runs the op of a route, and the package sends the result over HTTP, as the JSON of
// the op's response, which is a shape of package api, or as problem details.
//
// # Routes
//
// The table in routes.go has each route with its op and its parameters. /v1/openapi.json
// describes them. A test compares that document with the table and the shapes of package
// api, and another test each response with the document.
//
// A path has the subject of the op, and the query the other arguments. An unknown or
// repeated parameter is an error, since otherwise a misspelled limit would go unnoticed.
// OPTIONS answers on each route, and HEAD where GET does. A page of an admitted origin gets
// the headers of CORS.
//
// # Errors
//
// Each error is problem details (RFC 9457, application/problem+json): status, the words of
// the op's error as detail, item, field and rule if known, and way_out.
//
//	400  a parameter or the body is wrong
//	401  the token is missing or wrong      403  its scope or the origin does not suffice
//	404  not known here, or no such route   405  the method is not the route's: Allow has it
//	409  no transaction was taken           413  the body has over 16 MiB
//	415  the body is not JSON               421  the node does not go by this name
//	422  a transaction is malformed         500  trouble of the node's own
//	503  no place is free, or the node stops
//
// # Pages and events
//
// README.md of package rpc describes how a client goes on, at the next of a list or after
// the last event. Last-Event-ID takes precedence over from, and an unknown ID is a 404.
// When the node ends a stream it sends the event closed with the reason, and the client
// may connect again.
//
// # Bounds
//
//   - A body has at most 16 MiB. Bytes that are refused are thrown away, 64 MiB at most, so
//     that the client can read the answer. Of bodies over 64 KiB, 7 are read at a time,
//     WebSocket messages included. A body must arrive within 30 s.
//   - A reply ends at a whole item before 1 MiB, and then has next. A block by itself may be
//     larger, and so may 10,000 lines of a statement. 64 requests are answered at a time. A
//     response must be read within a minute of its request.
//   - A request or large body without a place waits for 10 s, and then gets a 503.
//   - A stream takes one of the 256 places of WebSocket connections, and makes room as
//     they do. An event that the client does not read for 10 s ends the stream. A comment
//     is sent each 30 s.
package rest
