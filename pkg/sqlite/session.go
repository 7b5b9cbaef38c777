package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A session is one connection with its prepared statements. It is used by one
// goroutine at a time.
type session struct {
	// ctx is what statements run under: it never ends. A context that can end costs
	// the driver two goroutines a call, and no statement here runs long.
	ctx        context.Context
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

func openSession(ctx context.Context, pool *sql.DB) (*session, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening a connection: %w", err)
	}
	return &session{ctx: context.WithoutCancel(ctx), conn: conn, statements: map[string]*sql.Stmt{}}, nil
}

// close finalizes the statements and the connection.
func (s *session) close() error {
	var errs []error
	for _, st := range s.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// prepared gives the statement of a query text, prepared once.
func (s *session) prepared(query string) (*sql.Stmt, error) {
	if st, ok := s.statements[query]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(s.ctx, query)
	if err != nil {
		return nil, momentary(fmt.Errorf("preparing %q: %w", query, err))
	}
	s.statements[query] = st
	return st, nil
}

// exec runs a statement and counts the rows it changed.
func (s *session) exec(query string, args ...any) (int64, error) {
	st, err := s.prepared(query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(s.ctx, args...)
	if err != nil {
		return 0, momentary(fmt.Errorf("executing %q: %w", query, err))
	}
	return res.RowsAffected()
}

// A scanner is one row: sql.Row or sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// each runs a query and calls scan for every row.
func (s *session) each(scan func(scanner) error, query string, args ...any) error {
	st, err := s.prepared(query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(s.ctx, args...)
	if err != nil {
		return momentary(fmt.Errorf("querying %q: %w", query, err))
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return momentary(errors.Join(rows.Err(), rows.Close()))
}

// one runs a query of at most one row and reports whether there was one.
func (s *session) one(dest []any, query string, args ...any) (found bool, err error) {
	err = s.each(func(row scanner) error {
		found = true
		return row.Scan(dest...)
	}, query, args...)
	return found, err
}

// A reader is what the queries run on: a reading session, or the writer's within
// a transaction.
type reader interface {
	each(scan func(scanner) error, query string, args ...any) error
	one(dest []any, query string, args ...any) (found bool, err error)
}
