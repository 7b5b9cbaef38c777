package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"

	"hermod/pkg/hermod"
)

// sqliteBusy is SQLITE_BUSY of sqlite3.h.
const sqliteBusy = 5

// A fileLock makes this process the only owner of a database file: an exclusive
// transaction, never ended, on an empty database beside it. The operating system
// releases it when the process ends, however it ends.
type fileLock struct {
	pool *sql.DB
	conn *sql.Conn
}

// lockFile takes the lock, or fails with CodeUnavailable where another has it.
func lockFile(ctx context.Context, path string) (*fileLock, error) {
	pool, err := connect(path)
	if err != nil {
		return nil, err
	}
	l := &fileLock{pool: pool}
	if l.conn, err = pool.Conn(ctx); err == nil {
		_, err = l.conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	}
	if err == nil {
		return l, nil
	}
	err = errors.Join(err, l.release())
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqliteBusy {
		return nil, &hermod.Error{
			Code: hermod.CodeUnavailable, Message: "another process has the database open (" + path + " is locked)", Err: err,
		}
	}
	return nil, fmt.Errorf("locking %s: %w", path, err)
}

// release closes the connection, which ends its transaction.
func (l *fileLock) release() error {
	var errs []error
	if l.conn != nil {
		errs = append(errs, l.conn.Close())
	}
	return errors.Join(append(errs, l.pool.Close())...)
}
