// Package apitest is what the tests of the dialects share: the embedded engine under a
// clock moved by hand, requests whose answers docs/openapi.yaml must allow, and what is
// true of every route table. Only tests import it.
package apitest

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
	"hermod/pkg/seal"
	"hermod/pkg/sqlite"
	"hermod/test/vault"
)

// An Engine is the embedded one, with a log that is kept.
type Engine struct {
	DB    *sqlite.DB
	Store Store
	IDs   *hermod.IDs
	// Log writes to Lines.
	Log   *slog.Logger
	Lines Logbook
	// Vault keeps the secrets of what Ask has served; nil where a fuzz test has made the
	// engine, which makes them up without end.
	Vault *vault.Vault

	mu sync.Mutex
	at time.Time
}

// A Store is the database with secrets sealed before it, as a node has it.
type Store struct {
	*seal.Store
	plain
}

type plain struct{ *sqlite.DB }

// NewEngine makes an engine whose clock stands at start. Its ids take what follows their
// time from random.
func NewEngine(t testing.TB, start time.Time, random func([]byte)) *Engine {
	t.Helper()
	dir := t.TempDir()
	e := &Engine{at: start}
	e.Log = slog.New(slog.NewJSONHandler(&e.Lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if _, fuzzing := t.(*testing.F); !fuzzing {
		e.Vault = &vault.Vault{}
		t.Cleanup(func() {
			for _, leak := range e.Vault.Leaks(e.Lines.all()) {
				t.Errorf("the log shows a secret: %.400s", leak)
			}
		})
	}
	e.IDs = hermod.NewIDs(e.Now, random)
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "hermod.db"), sqlite.Options{IDs: e.IDs, Now: e.Now, Log: e.Log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	sealing, err := seal.NewLocalKeys(filepath.Join(dir, "hermod.key"), Random)
	if err != nil {
		t.Fatal(err)
	}
	e.DB = db
	e.Store = Store{seal.NewStore(db, seal.NewBox(sealing, Random, e.Now), e.Now, e.Log), plain{db}}
	return e
}

// Provision puts the credentials of a first start, and these besides.
func (e *Engine) Provision(t testing.TB, secrets ...provision.Secret) {
	t.Helper()
	if err := provision.ApplyLocal(t.Context(), e.DB, e.Now()); err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if err := provision.ApplySecret(t.Context(), e.DB, s, e.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// Now is the time on the clock.
func (e *Engine) Now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at
}

// Advance moves the clock on.
func (e *Engine) Advance(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = e.at.Add(d)
}

// A Logbook keeps the lines of a log.
type Logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
	// from is where the lines begin that are not forgotten.
	from int
}

func (l *Logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf.Bytes()[l.from:])
}

// Reset forgets the lines.
func (l *Logbook) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = l.buf.Len()
}

// all are the forgotten lines too.
func (l *Logbook) all() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.buf.Bytes())
}

// Random fills p. It never fails: see crypto/rand.Read.
func Random(p []byte) { _, _ = rand.Read(p) }

// SigningKey makes a key as auth.Keys of the use and the prefix make it, not sealed. It
// takes long: make one for all tests of a package.
func SigningKey(use, prefix string, at time.Time) (hermod.SigningKey, error) {
	var made onlyKey
	keys := &auth.Keys{Store: &made, Sealer: Unsealed{}, Use: use, Prefix: prefix, Now: func() time.Time { return at }}
	err := keys.Create(context.Background())
	return made.key, err
}

type onlyKey struct{ key hermod.SigningKey }

func (o *onlyKey) SigningKeys(context.Context) ([]hermod.SigningKey, error) { return nil, nil }
func (o *onlyKey) DeleteSigningKey(context.Context, string) error           { return nil }

func (o *onlyKey) PutSigningKey(_ context.Context, k hermod.SigningKey) error {
	o.key = k
	return nil
}

// Unsealed seals nothing.
type Unsealed struct{}

// Seal is the text itself.
func (Unsealed) Seal(_ context.Context, _, _ string, plaintext []byte) ([]byte, error) {
	return plaintext, nil
}

// Open is the text itself.
func (Unsealed) Open(_ context.Context, _, _ string, sealed []byte) ([]byte, error) {
	return sealed, nil
}
