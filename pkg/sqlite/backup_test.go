package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hermod/pkg/sqlite"
)

func TestABackupThatFailedCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	dir, to := t.TempDir(), t.TempDir()
	whole, torn := filepath.Join(dir, "hermod.db"), filepath.Join(dir, "torn.db")
	db, err := sqlite.Open(t.Context(), whole, sqlite.Options{IDs: newIDs(time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	pages, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn, append([]byte("no header of SQLite"), pages[20:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	copied := filepath.Join(to, "hermod.db")
	for what, try := range map[string]func() error{
		"of what is no database": func() error { return sqlite.Backup(t.Context(), torn, copied) },
		"that was called off":    func() error { return sqlite.Backup(ended, whole, copied) },
	} {
		if err := try(); err == nil {
			t.Errorf("a backup %s succeeds", what)
		}
		if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
			t.Errorf("a backup %s left %v, %v", what, left, err)
		}
	}
	if err := sqlite.Backup(t.Context(), whole, copied); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Backup(t.Context(), whole, copied); err == nil {
		t.Error("a backup over another succeeds")
	}
	if made, err := os.ReadDir(to); err != nil || len(made) != 1 {
		t.Errorf("the backup made %v, %v; want one file, which another try leaves alone", made, err)
	}
}
