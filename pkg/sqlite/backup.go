package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// Backup copies the database at from, whether a node runs on it or not, to a new file at
// to, as it is at one moment: what was answered as accepted before is in it. It fails
// where from does not exist and where to does. What has failed leaves no file. While it
// copies, the node goes on, and its write-ahead log grows.
func Backup(ctx context.Context, from, to string) (err error) {
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("finding the database: %w", err)
	}
	// SQLite would write into a file that is there.
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return fmt.Errorf("making the copy: %w", err)
	}
	defer func() {
		if err = errors.Join(err, target.Close()); err != nil {
			err = errors.Join(err, discard(to))
		}
	}()
	pool, err := connect(from, "busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := copyPages(conn, to); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	if err := errors.Join(target.Sync(), syncDir(filepath.Dir(to))); err != nil {
		return fmt.Errorf("writing the copy to disk: %w", err)
	}
	return nil
}

// discard removes a copy, and the journal that SQLite leaves where it cannot write on.
func discard(path string) error {
	if err := os.Remove(path + "-journal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(path)
}

// syncDir has the names in a directory survive a loss of power.
func syncDir(path string) (err error) {
	dir, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return dir.Sync()
}

// copyPages makes the copy by SQLite's own backup.
func copyPages(conn *sql.Conn, to string) error {
	abs, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	target := url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}
	return conn.Raw(func(driver any) error {
		source, ok := driver.(interface {
			NewBackup(uri string) (*sqlite.Backup, error)
		})
		if !ok {
			return errors.New("the driver makes no backups")
		}
		b, err := source.NewBackup(target.String())
		if err != nil {
			return err
		}
		const all = -1 // pages at once, so that no writer makes it begin again
		if _, err := b.Step(all); err != nil {
			return errors.Join(err, b.Finish())
		}
		return b.Finish()
	})
}
