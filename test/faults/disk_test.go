package faults

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hermod/test/faults/ledger"
)

// TestADiskThatIsFull has the process find no room in the middle of its work, and some
// again: while it runs, and at its next start.
func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	for name, mend := range map[string]func(t *testing.T, s *stage){
		"and has room again": func(t *testing.T, s *stage) {
			t.Helper()
			if err := s.control("room", 0, nil); err != nil {
				t.Fatal(err)
			}
		},
		"and the process is killed": func(_ *testing.T, s *stage) {
			s.kill9()
			s.restart()
		},
		"and the process is started again before there is room": func(t *testing.T, s *stage) {
			t.Helper()
			s.kill9()
			s.settings.Room = 4 << 10
			if err := s.tryStart(); err == nil { // it may, or it says why not
				s.overflow(t)
				s.kill9()
			}
			s.settings.Room = 0
			s.restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.fill(t)
			mend(t, s)
			if err := s.loadNow(); err != nil {
				t.Fatalf("after there was room again: %v", err)
			}
			t.Log(s.judge("a full disk"))
		})
	}
}

// TestADatabaseThatIsFull is a disk that is full as SQLite knows it itself: SQLITE_FULL
// instead of an error of its files.
func TestADatabaseThatIsFull(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if err := s.loadNow(); err != nil {
		t.Fatal(err)
	}
	s.judge("before")
	s.kill9()
	s.settings.MaxPages = 1 // and those that there are
	s.restart()
	s.overflow(t)
	s.kill9()
	s.settings.MaxPages = 0
	s.restart()
	if err := s.loadNow(); err != nil {
		t.Fatal(err)
	}
	t.Log(s.judge("a full database"))
}

// fill leaves the process some room, and has it use that up and try to go on.
func (s *stage) fill(t *testing.T) {
	t.Helper()
	if err := s.loadNow(); err != nil {
		t.Fatal(err)
	}
	largest := int64(0)
	for _, name := range []string{"hermod.db", "hermod.db-wal"} {
		info, err := os.Stat(filepath.Join(s.settings.Data, name))
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	if err := s.control("room", largest+64<<10, nil); err != nil {
		t.Fatal(err)
	}
	s.overflow(t)
}

// overflow publishes until there is no room, and some more. Who publishes hears 503.
func (s *stage) overflow(t *testing.T) {
	t.Helper()
	s.note(ledger.Incident{Name: "full disk", From: time.Now()})
	refused := 0
	for n := 0; refused < 20; n++ {
		if n == 10_000 {
			t.Fatal("the disk is never full")
		}
		err := plainLoad(s)
		switch {
		case errors.Is(err, errFailed) && strings.Contains(err.Error(), "503"):
			refused++
		case err != nil:
			t.Fatalf("after %d publishes: %v", n, err)
		}
	}
}
