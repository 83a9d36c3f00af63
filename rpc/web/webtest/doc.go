// Package webtest opens pages in a real Chromium, for the tests of the node's page and
// of the lab's. One browser serves all tests of a binary, and each page has a browser
// context of its own, so that none finds what another kept (webtest.go). tasks.go
// measures how long a page keeps its main thread busy.
package webtest
