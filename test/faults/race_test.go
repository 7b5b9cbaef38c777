//go:build race

package faults

// oneIn is how many of the steps are gone through: the race detector makes each process
// some five times as slow. Which ones goes by the seed.
const oneIn = 6
