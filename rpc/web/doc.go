// Package web is the page of a node: static files, embedded, which need no build step
// and no internet. It uses the node over the WebSocket alone. web.go serves the files.
//
// index.html loads app.js. views/ has a file for each view, lib/ the checks that "Break
// it" runs in the browser, i18n/ the texts in English and Chinese, and vendor/ the code
// of others. /verify is a page of its own, which checks proofs without a node
// (verify.go).
package web
