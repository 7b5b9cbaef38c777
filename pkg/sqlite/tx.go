package sqlite

// bytesPerRow is about what a changed row adds to the write-ahead log, its large
// values apart.
const bytesPerRow = 512

// A tx is the writer's transaction as one operation sees it.
type tx struct {
	session *session
	// wrote says that the operation has changed a row, failed that a statement
	// failed, after which the transaction cannot be trusted.
	wrote  bool
	failed bool
	err    error
	// bytes is about what the operation adds to the write-ahead log.
	bytes int
	// committed and undone run after the transaction's end, in order, still in
	// the writer's goroutine and before the caller is answered.
	committed []func()
	undone    []func()
}

func (t *tx) exec(query string, args ...any) (int64, error) {
	n, err := t.session.exec(query, args...)
	t.wrote = t.wrote || n > 0
	t.bytes += int(n) * bytesPerRow
	return n, t.note(err)
}

func (t *tx) each(scan func(scanner) error, query string, args ...any) error {
	return t.note(t.session.each(scan, query, args...))
}

func (t *tx) one(dest []any, query string, args ...any) (bool, error) {
	found, err := t.session.one(dest, query, args...)
	return found, t.note(err)
}

// note remembers that a statement failed, whatever the operation makes of it.
func (t *tx) note(err error) error {
	if err != nil && !t.failed {
		t.failed, t.err = true, err
	}
	return err
}

// onCommit has fn run after the commit.
func (t *tx) onCommit(fn func()) { t.committed = append(t.committed, fn) }

// onUndo has fn run if the operation is not committed.
func (t *tx) onUndo(fn func()) { t.undone = append(t.undone, fn) }

// end runs the hooks, each once.
func (t *tx) end(committed bool) {
	hooks := t.undone
	if committed {
		hooks = t.committed
	}
	t.committed, t.undone = nil, nil
	for _, fn := range hooks {
		fn()
	}
}
