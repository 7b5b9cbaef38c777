package main_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// names are those of the files in a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestADatabaseIsOpenedWithItsOwnKeyFileAlone(t *testing.T) {
	t.Parallel()
	s, other := stop(t), t.TempDir()
	if said, ok := s.do("provision", "-data", other, "-client", "c", "-account", "a-1"); !ok {
		t.Fatal(said)
	}
	key, copied := filepath.Join(s.data, "hermod.key"), filepath.Join(t.TempDir(), "copy")
	own, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(filepath.Join(other, "hermod.key"))
	if err != nil {
		t.Fatalf("provision made no key file with the database: %v", err)
	}
	refused := func(what, want string, args ...string) {
		t.Helper()
		before, signing := names(t, s.data), s.keys("list")
		said, ok := s.do(args...)
		if ok || !strings.Contains(said, want) || strings.Count(said, "\n") != 1 || strings.Contains(said, "cipher") {
			t.Errorf("%s: %v: %q, want %q", what, args, said, want)
		}
		if after := names(t, s.data); !slices.Equal(after, before) || s.keys("list") != signing {
			t.Errorf("%s: %v: there was %v, and is %v, with\n%s", what, args, before, after, s.keys("list"))
		}
	}
	serve, rotate := []string{"serve", "-addr", "127.0.0.1:0", "-data", s.data}, []string{"keys", "rotate", "-data", s.data}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	missing := s.data + " has a database but no hermod.key: put back the one that belongs to it"
	refused("no key file", missing, serve...)
	refused("no key file", missing, rotate...)
	refused("no key file", missing, "provision", "-data", s.data, "-client", "c", "-account", "a-1")
	refused("no key file", s.data+" has no hermod.key", "backup", "-data", s.data, "-to", copied)
	if _, err := os.Stat(copied); err == nil {
		t.Error("a backup without a key file was begun")
	}
	if err := os.WriteFile(key, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("another's key file", "hermod.key does not belong to this database", serve...)
	refused("another's key file", "hermod.key does not belong to this database", rotate...)
	if err := os.WriteFile(key, own, 0o600); err != nil {
		t.Fatal(err)
	}
	s.running(func(p *process) {
		if p.token() == "" {
			t.Error("with its own key file again it issues no token")
		}
	})
}

func TestTheEnvironmentNamesTheNode(t *testing.T) {
	t.Parallel()
	s := stop(t)
	s.env = []string{"HERMOD_DATA=" + s.data}
	for _, args := range [][]string{
		{"provision", "-client", "platform", "-account", "a-1"}, {"audit", "-account", "a-1"}, {"keys", "list", "-account", "a-1"}, {"keys", "rotate"},
		{"redrive", "-list"}, {"backup", "-to", filepath.Join(t.TempDir(), "copy")},
	} {
		if said, ok := s.do(args...); !ok {
			t.Errorf("hermod %v: %s", args, said)
		}
	}
	elsewhere := t.TempDir()
	if said, ok := s.do("audit", "-data", elsewhere, "-account", "a-1"); ok || !strings.Contains(said, "no node in "+elsewhere) {
		t.Errorf("a flag does not come before the environment: %s", said)
	}
}

func TestProvisionSaysWhatItReplacesAndMovesNoClientUnasked(t *testing.T) {
	t.Parallel()
	s := &stopped{t: t, binary: build(t), data: filepath.Join(t.TempDir(), "data")}
	provision := func(account string, more ...string) (string, bool) {
		return s.do(append([]string{"provision", "-data", s.data, "-client", "c", "-account", account}, more...)...)
	}
	if said, ok := provision("a-1"); !ok || strings.Contains(said, "former") {
		t.Errorf("a new client: %s", said)
	}
	if said, ok := provision("a-1"); !ok || !strings.Contains(said, "its former secret has ended") {
		t.Errorf("the same again: %s", said)
	}
	if said, ok := provision("a-2"); ok || !strings.Contains(said, "client c acts for account a-1") || !strings.Contains(said, "-replace") {
		t.Errorf("of another account: %s", said)
	}
	if said, ok := provision("a-2", "-replace"); !ok || !strings.Contains(said, "It acted for a-1") {
		t.Errorf("moved: %s", said)
	}
}
