//go:build !race

package faults

// oneIn is how many of the steps are gone through: all of them.
const oneIn = 1
