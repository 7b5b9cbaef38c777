package sqlite

import (
	"errors"
	"log/slog"

	"hermod/pkg/hermod"
)

// checkpointEvery is how many bytes are committed between two checkpoints. The log
// holds pages, so that it grows to several times as much: some 40 MB with events of
// 0.5 KB.
const checkpointEvery = 8 << 20

// A checkpointer copies the write-ahead log into the database file. SQLite's own
// way has the commit that fills the log copy all of it, which delays everyone who
// waits for that commit by tens of milliseconds. Here most is copied beside the
// commits, on a connection of its own, and the writer is asked only for what came
// meanwhile: with nothing left to copy, the log starts over.
type checkpointer struct {
	session *session
	writer  *writer
	log     *slog.Logger
	// due holds a token when the log should be copied; closed by close.
	due     chan struct{}
	stopped chan struct{}
	bytes   int // committed since; of the writer's goroutine
}

func startCheckpointer(s *session, w *writer, log *slog.Logger) *checkpointer {
	c := &checkpointer{session: s, writer: w, log: log, due: make(chan struct{}, 1), stopped: make(chan struct{})}
	w.committed = c.committed
	go c.loop()
	return c
}

// committed is called by the writer after each commit.
func (c *checkpointer) committed(bytes int) {
	if c.bytes += bytes; c.bytes < checkpointEvery {
		return
	}
	c.bytes = 0
	select {
	case c.due <- struct{}{}:
	default:
	}
}

func (c *checkpointer) loop() {
	defer close(c.stopped)
	for range c.due {
		// The second pass is short, and leaves the writer next to nothing.
		for range 2 {
			if err := checkpoint(c.session); err != nil {
				c.log.LogAttrs(c.session.ctx, slog.LevelError, "copying the write-ahead log", hermod.LogError(err))
			}
		}
		rest := func(t *tx) error { return checkpoint(t.session) }
		if err := c.writer.outside(rest); err != nil && !errors.Is(err, errClosed) {
			c.log.LogAttrs(c.session.ctx, slog.LevelError, "finishing the copy of the write-ahead log", hermod.LogError(err))
		}
	}
}

// close stops the checkpointer. The writer must have stopped.
func (c *checkpointer) close() error {
	close(c.due)
	<-c.stopped
	return c.session.close()
}

// checkpoint copies what no reader stands in the way of, and waits for nobody.
func checkpoint(s *session) error {
	return s.each(func(row scanner) error {
		var busy, frames, copied int
		return row.Scan(&busy, &frames, &copied)
	}, "PRAGMA wal_checkpoint(PASSIVE)")
}
