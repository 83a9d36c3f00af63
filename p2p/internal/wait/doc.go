// Package wait has what the loops and stream handlers of the packages of p2p share:
// waking those that wait for a change ([Change], [Signal]), the end of a loop ([Ended]),
// and the bound on the requests of one peer ([Bound]).
package wait
