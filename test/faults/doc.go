// Package faults shows that nothing is lost, whatever goes wrong: its tests run a node
// as a process of its own over a file, stop it at each step, have each call fail, fill
// its disk, set its clock, and hold the books (package ledger) against its log.
package faults
