package node

import (
	"os"
	"runtime/debug"
)

// CollectSooner has the garbage collector let the heap grow by half of what is
// live before it runs, not by all of it, unless GOGC is set. Most of
// what a node allocates is short-lived: its resident memory, measured right
// after it fetched a million transactions, went from 167 to 193 MiB to 146, and
// with a pool of 100,000 from 171 to 175 MiB to 158, at no cost in speed that
// could be seen. It is for processes that run one node, and acts on all of it.
func CollectSooner() {
	const percent = 50
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(percent)
	}
}
