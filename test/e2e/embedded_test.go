package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
	"hermod/pkg/node"
	"hermod/pkg/provision"
	"hermod/pkg/push"
	"hermod/pkg/sqlite"
	"hermod/test/e2e"
	"hermod/test/vault"
)

func TestEmbeddedEngine(t *testing.T) {
	t.Parallel()
	secrets, book := &vault.Vault{}, &logbook{}
	// Runs last: the node has ended, and what it had to say is said.
	t.Cleanup(func() { wantNoLeaks(t, secrets, book.bytes()) })
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(book, nil))) // as hermod serve does: net/http has no other log for some of what it says
	t.Cleanup(func() { slog.SetDefault(before) })
	target := startNode(t, book)
	target.Vault = secrets
	e2e.Run(t, target)
}

func TestEmbeddedEngineRedrives(t *testing.T) {
	t.Parallel()
	e2e.RunRedrive(t, startNode(t, io.Discard))
}

// startNode serves a node on loopback until the test ends. All that it has to say goes to
// log.
func startNode(t *testing.T, log io.Writer) e2e.Target {
	t.Helper()
	clouds := e2e.NewClouds(t, "127.0.0.1:0")
	mint, err := push.ParseMint(clouds.MintURL(), push.Local())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + listener.Addr().String()
	n, err := node.Open(t.Context(), node.Options{
		Data: withSiblings(t), PublicURL: api.BaseURL(base), Policy: push.Local(), Endpoints: clouds.Endpoints(t), Mint: mint, AWS: e2e.OnAWS(t), Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Timing: node.Timing{
			Waits: e2e.Waits(), QueueWait: e2e.QueueWait, DueEvery: 200 * time.Millisecond, GiveUpPause: 50 * time.Millisecond,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serving: %v", err)
		}
		if err := n.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return e2e.Target{
		BaseURL:           base,
		OwnHost:           func(_ *testing.T, dialect string) (string, string) { return base, dialect + ".example.com" },
		SendIngest:        n.SendIngest,
		IngestDeadLetters: n.IngestDeadLetters,
		DeadLetters:       n.DeadLetters,
		Redrive:           func(ctx context.Context, _ string) error { return n.Redrive(ctx) },
		Patience:          30 * time.Second,
		Clouds:            clouds,
		// The embedded engine has no bus. What a rule of one would put into the
		// ingest queue is this envelope.
		PutBusEvent: func(ctx context.Context, source, detailType string, detail []byte) error {
			body, err := json.Marshal(map[string]any{
				"version": "0", "id": fmt.Sprint(time.Now().UnixNano()), "detail-type": detailType, "source": source,
				"account": "123456789012", "time": time.Now().UTC().Format(time.RFC3339), "region": "us-east-1",
				"resources": []string{}, "detail": json.RawMessage(detail),
			})
			if err != nil {
				return err
			}
			return n.SendIngest(ctx, body)
		},
	}
}

// withSiblings makes a data directory that has the credentials of e2e.Siblings.
func withSiblings(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	random := func(p []byte) { _, _ = rand.Read(p) }
	if _, err := node.LocalKeys(dir); err != nil { // as a node does, before there is a database
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, node.DatabaseFile), sqlite.Options{
		IDs: hermod.NewIDs(time.Now, random), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range e2e.Siblings() {
		if err := provision.ApplySecret(t.Context(), db, s, time.Now()); err != nil {
			t.Error(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}
