package faults

import "flag"

// Of a longer run, by hand: go test ./test/faults -args -faults.rounds 20 -faults.seed 7
var (
	rounds = flag.Int("faults.rounds", 1, "how often the random tests repeat what they do")
	seed   = flag.Uint64("faults.seed", 1, "what the random tests begin with")
)
