// Package sqlite is the embedded engine: Hermod's stores and queues in one
// SQLite database file, owned by one process.
//
// All writes go through one goroutine that gathers what waits into one
// transaction (group commit): many callers share one fsync, and each is answered
// after the commit. Reads run beside it on connections of their own (WAL).
package sqlite
