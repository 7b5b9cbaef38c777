package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"

	"hermod/pkg/hermod"
)

// Options are what Open needs beside the path.
type Options struct {
	// IDs makes the ids of queue messages. It is also the source of the events'
	// ids: Open has it observe the highest stored one.
	IDs *hermod.IDs
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log takes what no caller can be told; nil is slog.Default.
	Log *slog.Logger
	// MaxSubscriptions is how many an owner may have; 0 is hermod.MaxSubscriptions.
	MaxSubscriptions int
}

// How much is kept in memory.
const (
	readers         = 4
	recentEvents    = 32 << 20 // bytes
	cachedOwners    = 100_000
	cachedOwnerSubs = 100_000 // subscriptions, over all owners
	knownTypes      = 100_000
)

// A DB is the embedded engine over one file. It implements the store interfaces of
// the packages ingest and deliver; Journal and Queue give the others.
type DB struct {
	ids *hermod.IDs
	now func() time.Time
	log *slog.Logger

	maxSubscriptions int

	lock    *fileLock
	pool    *sql.DB
	writer  *writer
	copier  *checkpointer
	readers chan *session
	// closed is closed by Close.
	closed    chan struct{}
	closeOnce sync.Once

	owners *lru[string, hermod.Owner]
	subs   *lru[string, []*hermod.Subscription]
	events *lru[hermod.EventKey, *hermod.Event]
	types  *lru[typeKey, struct{}]
	unwell unwell
	paces  paces

	queuesMu sync.Mutex
	queues   map[string]*Queue
}

type typeKey struct{ account, name string }

// Open opens or creates the database file at path. It fails with CodeUnavailable
// where another process has the file open. Messages that were in hand when the
// last process ended are ready again.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	db := &DB{
		ids: o.IDs, now: o.Now, log: o.Log, maxSubscriptions: cmp.Or(o.MaxSubscriptions, hermod.MaxSubscriptions),
		owners: newLRU[string](cachedOwners, func(hermod.Owner) int { return 1 }),
		subs:   newLRU[string](cachedOwnerSubs, func(s []*hermod.Subscription) int { return 1 + len(s) }),
		events: newLRU[hermod.EventKey](recentEvents, eventCost),
		types:  newLRU[typeKey](knownTypes, func(struct{}) int { return 1 }),
		queues: map[string]*Queue{},
		closed: make(chan struct{}),
	}
	if err := db.open(ctx, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string) (err error) {
	if db.lock, err = lockFile(ctx, path+".lock"); err != nil {
		return err
	}
	if db.pool, err = connect(path,
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"cache_size(-16384)",
		"temp_store(MEMORY)",
		"wal_autocheckpoint(0)",
	); err != nil {
		return err
	}
	s, err := openSession(ctx, db.pool)
	if err != nil {
		return err
	}
	db.writer = startWriter(s, db.log)
	if s, err = openSession(ctx, db.pool); err != nil {
		return err
	}
	db.copier = startCheckpointer(s, db.writer, db.log)
	if err := db.update(ctx, migrate); err != nil {
		return err
	}
	if err := db.update(ctx, db.recover); err != nil {
		return err
	}
	if err := db.update(ctx, db.loadHealth); err != nil {
		return err
	}
	pool := make(chan *session, readers)
	for range readers {
		s, err := openSession(ctx, db.pool)
		if err != nil {
			close(pool)
			for s := range pool {
				err = errors.Join(err, s.close())
			}
			return err
		}
		pool <- s
	}
	db.readers = pool
	return nil
}

// connect makes a pool of connections on which the pragmas are set.
func connect(path string, pragmas ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", path, err)
	}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return sql.OpenDB(connector), nil
}

// migrate takes the file through the steps it has not been through.
func migrate(t *tx) error {
	var version int
	if _, err := t.one([]any{&version}, "PRAGMA user_version"); err != nil {
		return err
	}
	steps := migrations()
	if version > len(steps) {
		return fmt.Errorf("the database has schema version %d, this program knows %d: it is older than the database", version, len(steps))
	}
	for _, step := range steps[version:] {
		if _, err := t.exec(step); err != nil {
			return err
		}
	}
	_, err := t.exec(fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
	return err
}

// recover makes what the last process had in hand ready again, and has the ids
// rise above every stored one.
func (db *DB) recover(t *tx) error {
	if _, err := t.exec("UPDATE messages SET hidden_until = 0 WHERE hidden_until IS NULL"); err != nil {
		return err
	}
	account := ""
	for {
		var id hermod.ID
		found, err := t.one([]any{&account, scanID(&id)},
			`SELECT account, max(id) FROM events WHERE account =
			 (SELECT account FROM events WHERE account > ? ORDER BY account LIMIT 1) GROUP BY account`, account)
		if err != nil || !found {
			return err
		}
		db.ids.Observe(id)
	}
}

// Close finishes the writes in hand, refuses others and closes the file. Queues
// must have stopped running. Later calls do nothing.
func (db *DB) Close() (err error) {
	db.closeOnce.Do(func() { err = db.close() })
	return err
}

func (db *DB) close() error {
	close(db.closed)
	var errs []error
	if db.writer != nil {
		db.writer.close()
		errs = append(errs, db.writer.session.close())
	}
	if db.copier != nil {
		errs = append(errs, db.copier.close())
	}
	if db.readers != nil {
		for range readers {
			s := <-db.readers
			errs = append(errs, s.close())
		}
	}
	if db.pool != nil {
		errs = append(errs, db.pool.Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.release())
	}
	return errors.Join(errs...)
}

// Commits counts the transactions committed since Open.
func (db *DB) Commits() int64 { return db.writer.commits.Load() }

// update runs fn in the writer.
func (db *DB) update(ctx context.Context, fn func(*tx) error) error {
	return db.writer.do(ctx, fn)
}

// view runs fn on a reading connection.
func (db *DB) view(ctx context.Context, fn func(reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s := <-db.readers:
		defer func() { db.readers <- s }()
		return fn(s)
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closed:
		return errClosed
	}
}

// snapshot runs fn on one unchanging state of the database.
func (db *DB) snapshot(ctx context.Context, fn func(reader) error) error {
	return db.view(ctx, func(r reader) error {
		s := r.(*session)
		if _, err := s.exec("BEGIN"); err != nil {
			return err
		}
		err := fn(s)
		_, end := s.exec("COMMIT")
		return errors.Join(err, end)
	})
}
