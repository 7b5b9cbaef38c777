package bench

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// checkEvery is which part of the deliveries have their signatures checked: one in
// so many. All would cost the machine that is measured too much.
const checkEvery = 50

const sinkHeaderTimeout = 10 * time.Second

// A sink receives deliveries on this machine.
type sink struct {
	url             string
	secret          string
	signatureHeader string
	server          *http.Server
	// stopping ends the requests that hang.
	stopping chan struct{}
	served   chan error

	mu     sync.RWMutex
	routes map[string]http.HandlerFunc
	next   int
}

func startSink(ctx context.Context, signatureHeader string) (*sink, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the sink: %w", err)
	}
	secret := make([]byte, 24)
	_, _ = rand.Read(secret) // it never fails: see crypto/rand.Read
	s := &sink{
		url: "http://" + listener.Addr().String(), secret: hex.EncodeToString(secret), signatureHeader: signatureHeader,
		stopping: make(chan struct{}), served: make(chan error, 1), routes: map[string]http.HandlerFunc{},
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: sinkHeaderTimeout}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// stop closes the sink at once: whatever is still to come was not waited for.
func (s *sink) stop() error {
	close(s.stopping)
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// route adds an endpoint and answers its URL.
func (s *sink) route(h http.HandlerFunc) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := "/" + strconv.Itoa(s.next)
	s.next++
	s.routes[path] = h
	return s.url + path
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	h := s.routes[r.URL.Path]
	s.mu.RUnlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h(w, r)
}

// maxDelivery bounds what is read of a delivery.
const maxDelivery = 64 << 10

// receiver makes an endpoint that takes everything at once and enters it in the
// ledger.
func (s *sink) receiver(l *ledger, number int) string {
	buffers := sync.Pool{New: func() any { b := make([]byte, maxDelivery); return &b }}
	var taken atomic.Int64
	return s.route(func(w http.ResponseWriter, r *http.Request) {
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
		n, err := io.ReadFull(r.Body, *buffer)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			l.stray()
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body := (*buffer)[:n]
		st, ok := readStamp(body)
		if !ok {
			l.stray()
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		v := unchecked
		if taken.Add(1)%checkEvery == 1 {
			v = s.check(r.Header, body)
		}
		l.received(number, st, v)
		w.WriteHeader(http.StatusNoContent)
	})
}

// hanging makes an endpoint that takes what comes and never answers. It counts in
// hits, and in held those that hang right now.
func (s *sink) hanging(hits, held *atomic.Int64) string {
	return s.route(func(_ http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		held.Add(1)
		defer held.Add(-1)
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxDelivery)) // then the server notices that the caller left
		select {
		case <-r.Context().Done():
		case <-s.stopping:
		}
		panic(http.ErrAbortHandler) // returning would answer
	})
}

// check verifies both signatures by what their documents say, with nothing of
// Hermod's own code: HMAC-SHA256 of the body in hex, and Standard Webhooks v1.
func (s *sink) check(h http.Header, body []byte) verdict {
	native := hex.EncodeToString(s.mac(string(body)))
	standard := "v1," + base64.StdEncoding.EncodeToString(
		s.mac(h.Get("Webhook-Id")+"."+h.Get("Webhook-Timestamp")+"."+string(body)))
	if hmac.Equal([]byte(h.Get(s.signatureHeader)), []byte(native)) &&
		hmac.Equal([]byte(h.Get("Webhook-Signature")), []byte(standard)) {
		return genuine
	}
	return forged
}

func (s *sink) mac(text string) []byte {
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
