package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/node"
	"hermod/pkg/push"
	"hermod/test/e2e"
)

func TestEmbeddedEngine(t *testing.T) {
	t.Parallel()
	e2e.Run(t, startNode(t))
}

func TestEmbeddedEngineRedrives(t *testing.T) {
	t.Parallel()
	e2e.RunRedrive(t, startNode(t))
}

// startNode serves a node on loopback until the test ends.
func startNode(t *testing.T) e2e.Target {
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
		Data: t.TempDir(), PublicURL: api.BaseURL(base), Policy: push.Local(), Endpoints: clouds.Endpoints(t), Mint: mint, AWS: e2e.OnAWS(t), Now: time.Now, Log: slog.New(slog.DiscardHandler),
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
