// Package lab is.
package lab
