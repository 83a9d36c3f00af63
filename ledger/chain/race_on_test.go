//go:build race

package chain

// storyWriteBuffer leaves out compactions while writing: when one failed, LevelDB
// may send on a channel that the waiting writer closed. It recovers from that, but
// the race detector reports it.
const storyWriteBuffer = 1 << 20
