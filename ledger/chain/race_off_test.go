//go:build !race

package chain

// storyWriteBuffer is small, so that the power fails in compactions too.
const storyWriteBuffer = 4 << 10
