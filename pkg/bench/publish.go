package bench

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// publishTimeout bounds one request.
const publishTimeout = 30 * time.Second

// A publisher posts events over a fixed number of kept connections.
type publisher struct {
	url         string
	token       string
	connections int
	transport   *http.Transport
}

func newPublisher(url, token string, connections int) *publisher {
	return &publisher{
		url: url, token: token, connections: connections,
		transport: &http.Transport{
			MaxConnsPerHost: connections, MaxIdleConns: connections, MaxIdleConnsPerHost: connections,
			DisableCompression: true, IdleConnTimeout: time.Minute,
		},
	}
}

func (p *publisher) close() { p.transport.CloseIdleConnections() }

// A load is what is published: events of one type, so many in a request.
type load struct {
	template []byte
	stampAt  int
	batch    int
	ledger   *ledger
	// late is how much later than due each request was begun: the generator's own
	// part in the latency.
	lateMu sync.Mutex
	late   []time.Duration
}

func newLoad(sender, name string, batch int, l *ledger) *load {
	ld := &load{batch: batch, ledger: l}
	ld.template, ld.stampAt = newTemplate(sender, name)
	return ld
}

// The frame of a request with more than one event.
const (
	batchHead = `{"events":[`
	batchTail = `]}`
)

// body makes a request of the events from first on, due at the time.
func (ld *load) body(buffer []byte, first int, due time.Duration) []byte {
	buffer = buffer[:0]
	if ld.batch > 1 {
		buffer = append(buffer, batchHead...)
	}
	for i := range ld.batch {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		at := len(buffer) + ld.stampAt
		buffer = append(buffer, ld.template...)
		stamp{seq: uint32(first + i), due: due}.put(buffer[at : at+stampDigits]) //nolint:gosec // a load has far fewer events
	}
	if ld.batch > 1 {
		buffer = append(buffer, batchTail...)
	}
	return buffer
}

// send publishes the events from first on and notes what the server said. Once
// begun it is not cut short by the load's end, which would leave it open whether
// the events were accepted.
func (p *publisher) send(ctx context.Context, ld *load, buffer []byte, first int, due time.Duration) []byte {
	buffer = ld.body(buffer, first, due)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	ld.ledger.answered(first, ld.batch, p.post(ctx, buffer))
	return buffer
}

func (p *publisher) post(ctx context.Context, body []byte) (accepted bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	r.Header["Content-Type"] = []string{"application/json"}
	r.Header["Authorization"] = []string{"Bearer " + p.token}
	answer, err := p.transport.RoundTrip(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return false
	}
	return answer.StatusCode == http.StatusAccepted
}

// closedLoop publishes for so long, as fast as the server and the ledger's window
// let it: each connection has one request under way.
func (p *publisher) closedLoop(ctx context.Context, ld *load, length time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	defer context.AfterFunc(ctx, ld.ledger.wake)()
	var wg sync.WaitGroup
	for range p.connections {
		wg.Go(func() {
			var buffer []byte
			for {
				first, ok := ld.ledger.reserve(ctx, ld.batch)
				if !ok {
					return
				}
				buffer = p.send(ctx, ld, buffer, first, ld.ledger.now())
			}
		})
	}
	wg.Wait()
}

// openLoop publishes for so long at a steady rate, in events a second, whatever
// the server does. An event that has to wait for a connection was due all the same:
// its latency counts from when it was due, and it is sent however late it is, since
// leaving it out would flatter the server.
func (p *publisher) openLoop(ctx context.Context, ld *load, rate float64, length time.Duration) {
	due := make(chan time.Duration, p.connections)
	var wg sync.WaitGroup
	for range p.connections {
		wg.Go(func() {
			var buffer []byte
			for at := range due {
				first, ok := ld.ledger.reserve(ctx, ld.batch)
				if !ok {
					continue
				}
				ld.noteLate(ld.ledger.now() - at)
				buffer = p.send(ctx, ld, buffer, first, at)
			}
		})
	}
	defer wg.Wait()
	defer close(due)
	interval := time.Duration(float64(time.Second) * float64(ld.batch) / rate)
	timer := time.NewTimer(0)
	defer timer.Stop()
	start := ld.ledger.now()
	for after := time.Duration(0); after < length; after += interval {
		timer.Reset(start + after - ld.ledger.now())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case due <- start + after:
		}
	}
}

func (ld *load) noteLate(d time.Duration) {
	ld.lateMu.Lock()
	defer ld.lateMu.Unlock()
	ld.late = append(ld.late, d)
}
