//go:build !race

package p2p

// raceEnabled is whether the test binary has the race detector in it.
const raceEnabled = false
