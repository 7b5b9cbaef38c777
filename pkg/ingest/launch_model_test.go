package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// A statusModel says in a few lines what the log must have, by the rules alone.
type statusModel struct {
	now       time.Time
	seen      map[string]bool // keys
	last      map[int]lastStatus
	completed int
	told      int // status events
}

type lastStatus struct {
	launched bool
	at       time.Time
}

// A told is one submission of the model: of a request, with a key or "".
type told struct {
	own     bool
	request int
	key     string
}

func (m *statusModel) accept(batch []told) {
	own, completions := map[int]int{}, map[int]int{}
	for _, s := range batch {
		if s.key != "" && m.seen[s.key] {
			continue
		}
		m.seen[s.key] = true
		if s.own {
			own[s.request]++
		} else {
			completions[s.request]++
			m.completed++
		}
	}
	for request := range 3 {
		last, known := m.last[request]
		recent := known && m.now.Sub(last.at) < time.Minute
		switch {
		case own[request] > 0:
			m.told += own[request]
			if recent && last.launched {
				m.told--
			}
			m.last[request] = lastStatus{at: m.now}
		case completions[request] > 0 && !recent:
			m.told++
			m.last[request] = lastStatus{launched: true, at: m.now}
		}
	}
}

func (s told) submission() ingest.Submission {
	if s.own {
		return update(s.key, s.request)
	}
	return completion(s.key, s.request)
}

// TestAnyHistoryOfStatusEventsIsThatOfTheRules accepts random batches, with keys that
// come again, and compares the counts with the model's after each.
func TestAnyHistoryOfStatusEventsIsThatOfTheRules(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 1))
		m := &statusModel{seen: map[string]bool{}, last: map[int]lastStatus{}}
		var keyed []told
		r.subscribe(t, account, "s-1")
		p := &pushes{rig: r}
		waits := []time.Duration{0, 0, 7 * time.Second, 35 * time.Second, 90 * time.Second, 10 * time.Minute}
		for range 40 {
			r.clock.advance(waits[random.IntN(len(waits))])
			m.now = r.clock.now()
			var batch []told
			for range 1 + random.IntN(4) {
				s := told{own: random.IntN(2) == 0, request: random.IntN(3)}
				switch random.IntN(3) {
				case 0:
					s.key = fmt.Sprint("k", random.Uint64())
					keyed = append(keyed, s)
				case 1:
					if len(keyed) > 0 {
						s = keyed[random.IntN(len(keyed))]
					}
				}
				batch = append(batch, s)
			}
			var submissions []ingest.Submission
			for _, s := range batch {
				submissions = append(submissions, s.submission())
			}
			r.accept(t, submissions...)
			p.take(t)
			m.accept(batch)
			names := r.names(t)
			if c, u := strings.Count(names, "c"), strings.Count(names, "u"); c != m.completed || u != m.told {
				t.Fatalf("seed %d, after %+v: %d completions and %d status events, want %d and %d", seed, batch, c, u, m.completed, m.told)
			}
		}
		p.wantOnce(t, fmt.Sprint("seed ", seed))
	})
}

// TestACompletionAndAStatusEventAtOnceTellItOnce has several producers send at once, and
// again what they were told to.
func TestACompletionAndAStatusEventAtOnceTellItOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		for round := range 20 {
			var wg sync.WaitGroup
			for n, s := range []ingest.Submission{completion(fmt.Sprint("c", round), round), update(fmt.Sprint("u", round), round), completion("", round)} {
				wg.Go(func() {
					for try := 0; ; try++ {
						_, err := r.acceptor.Accept(t.Context(), []ingest.Submission{s})
						switch {
						case err == nil:
							return
						case hermod.CodeOf(err) != hermod.CodeUnavailable || try == 10_000: // a claim that nobody follows up stands for 5 s of 1 ms
							t.Errorf("round %d, producer %d: %v", round, n, err)
							return
						}
						r.clock.advance(time.Millisecond)
					}
				})
			}
			wg.Wait()
			names := r.names(t)
			if c, u := strings.Count(names, "c"), strings.Count(names, "u"); c != 2*(round+1) || u != round+1 {
				t.Fatalf("round %d: the log has %d completions and %d status events", round, c, u)
			}
		}
	})
}
