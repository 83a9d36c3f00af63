//go:build !race

package main_test

// raceEnabled is 1 in a test binary built with the race detector.
const raceEnabled = 0
