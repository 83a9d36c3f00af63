// Package web is the page of the lab: static files, embedded, which need no build step.
// Modules and styles that the page of a node has too are served from there, under
// /node/. app.js lists the modules.
package web
