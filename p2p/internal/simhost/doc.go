// Package simhost makes libp2p hosts on a simulated network, for tests. Host i has an
// address made from its number, and a link of a given speed.
package simhost
