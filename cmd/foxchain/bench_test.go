package main

import (
	"testing"
)

func TestBenchFlags(t *testing.T) {
	for want, args := range map[string][]string{
		`--only names "speed": the rows are accept, commit`: {"--only", "speed"},
		"--txs is 10":        {"--txs", "10"},
		"--nodes is 9":       {"--nodes", "9"},
		"-k is 0":            {"-k", "0"},
		"takes no arguments": {"9000"},
	} {
		_, errs := program(t, 2, append([]string{"bench"}, args...)...)
		checkHas(t, errs, want, "See: foxchain bench --help")
	}
	_, errs := program(t, 1, "bench", "--data", "/no/such/place")
	checkHas(t, errs, "no such file", "--data DIRECTORY")
}
