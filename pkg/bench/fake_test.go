package bench_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestFakeServer is no test: in the process that a benchmark starts, it is the
// server, which behaves as the argument after -- says.
func TestFakeServer(t *testing.T) {
	at := slices.Index(os.Args, "--")
	if at < 0 {
		return
	}
	mode := os.Args[at+1]
	if mode == "dies" {
		t.Fatal("as told")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{mode: mode, subscriptions: map[string][]subscription{}}
	server := &http.Server{Handler: f, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }() // ends at Close
	fmt.Printf("hermod ready http://%s\n", listener.Addr())
	<-ctx.Done()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}

type subscription struct{ Target, Filter, Secret string }

// A fakeServer pushes each event when it takes it, once, without keeping it.
type fakeServer struct {
	mode             string
	requests, events atomic.Int64

	mu            sync.Mutex
	subscriptions map[string][]subscription
	stall         sync.Mutex
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.URL.Path == "/subscription" {
		f.subscribe(r.Method, body)
		return
	}
	if got := r.Header.Get("Authorization"); got != "Bearer token" && (r.Method != http.MethodGet || got != "Bearer key") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet {
		found := map[string][]int{"2": {1, 2}, "0": {}}[r.URL.Query().Get("n")]
		if f.mode == "hides" {
			found = found[:len(found)/2]
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": found})
		return
	}
	if f.mode == "stalls" {
		f.stall.Lock()
		<-time.After(5 * time.Millisecond) // what is tested is how a slow server is measured
		f.stall.Unlock()
	}
	var batch struct{ Events []json.RawMessage }
	if err := json.Unmarshal(body, &batch); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if batch.Events == nil {
		batch.Events = []json.RawMessage{body}
	}
	if f.mode == "refuses" && f.requests.Add(1)%10 == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	for _, event := range batch.Events {
		f.push(context.WithoutCancel(r.Context()), event)
	}
}

func (f *fakeServer) subscribe(method string, body []byte) {
	var s subscription
	if json.Unmarshal(body, &s) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if method == http.MethodDelete {
		delete(f.subscriptions, s.Filter)
		return
	}
	f.subscriptions[s.Filter] = append(f.subscriptions[s.Filter], s)
}

func (f *fakeServer) push(ctx context.Context, event []byte) {
	var typ struct{ Sender, EventName string }
	if json.Unmarshal(event, &typ) != nil {
		return
	}
	f.mu.Lock()
	subscribed := slices.Clone(f.subscriptions[typ.Sender+":"+typ.EventName])
	f.mu.Unlock()
	tenth := f.events.Add(1)%10 == 0
	times := 1
	switch {
	case f.mode == "loses" && tenth:
		times = 0
	case f.mode == "repeats" && tenth:
		times = 2
	case f.mode == "alters" && tenth:
		event = bytes.Replace(event, []byte(`"stamp":"`), []byte(`"stamp":"?`), 1)
	}
	for _, s := range subscribed {
		if f.mode == "forges" {
			s.Secret = "another"
		}
		for range times {
			if typ.EventName == "hanging" {
				go post(ctx, s, event)
			} else {
				post(ctx, s, event)
			}
		}
	}
}

// post signs as the documents say. An endpoint that hangs is given up after a while.
func post(ctx context.Context, s subscription, body []byte) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Target, bytes.NewReader(body))
	if err != nil {
		return
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, []byte(s.Secret))
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	r.Header.Set("X-Signature", hex.EncodeToString(mac(string(body))))
	r.Header.Set("Webhook-Id", "1")
	r.Header.Set("Webhook-Timestamp", "2")
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac("1.2."+string(body))))
	if answer, err := http.DefaultClient.Do(r); err == nil {
		_ = answer.Body.Close()
	}
}
