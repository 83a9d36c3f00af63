package node

import (
	"os"
	"runtime/debug"
)

// CollectSooner lets the heap grow by half of what is live before the garbage
// collector runs, not by all of it, unless GOGC is set. Most of what a node allocates
// is short-lived. Its resident memory after it fetched a million transactions fell
// from some 180 MiB to 146, with a pool of 100,000 from 173 to 158, at no measurable
// cost in speed. It acts on the whole process.
func CollectSooner() {
	const percent = 50
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(percent)
	}
}
