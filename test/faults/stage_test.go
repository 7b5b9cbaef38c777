package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/node"
	"hermod/pkg/provision"
	"hermod/test/faults/ledger"
)

// A stage is a process under test over one directory, which is started anew when it has
// ended, with the publishers and receivers around it.
type stage struct {
	t        *testing.T
	books    *ledger.Ledger
	receiver *receiver
	settings settings

	mu        sync.Mutex
	proc      *process
	token     string
	payload   int
	endpoints int
	// parking says that deliveries are parked in what goes on: a message that had just been
	// parked when the process ended is there twice.
	parking bool
	// incidents go into the books when it is known until when they count.
	incidents []ledger.Incident
}

// timing has a node go through everything in a moment: retries from the queue and by the
// due index, circuits, dead letters.
func timing() node.Timing {
	return node.Timing{
		Waits: hermod.Schedule{10 * time.Millisecond, 60 * time.Millisecond, 15 * time.Millisecond}, QueueWait: 30 * time.Millisecond,
		DueEvery: 15 * time.Millisecond, SweepEvery: 15 * time.Millisecond, ReplayEvery: time.Hour, GiveUpPause: time.Millisecond,
		// The clock may run for days: no endpoint is switched off for that.
		Breaker: deliver.Breaker{
			Failures: 8, Probes: hermod.Schedule{10 * time.Millisecond, 30 * time.Millisecond}, DisableAfter: 365 * 24 * time.Hour,
		},
	}
}

func newStage(t *testing.T) *stage {
	t.Helper()
	books := ledger.New()
	s := &stage{t: t, books: books, receiver: newReceiver(t, books), settings: settings{Data: t.TempDir(), Timing: timing()}}
	s.start()
	return s
}

// start starts the process, again where it has ended.
func (s *stage) start() {
	s.t.Helper()
	if err := s.tryStart(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) tryStart() (err error) {
	p, err := startProcess(s.t, s.settings, s.fired)
	s.settings.Armed = nil
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	return err
}

// process is the one that runs, or ran last.
func (s *stage) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

// control tells the process something and reads what it answers into v.
func (s *stage) control(what string, in, v any) error { return s.process().control(what, in, v) }

// output is what the process has logged last.
func (s *stage) output() string { return s.process().stderr.String() }

// restart starts the process again after a crash. What the crash explains ends when all
// has been read that the process had sent.
func (s *stage) restart() {
	s.t.Helper()
	<-s.process().ended
	if err := s.until(func() (string, error) { return s.receiver.left(), nil }); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	for i := range s.incidents {
		if in := &s.incidents[i]; in.To.IsZero() && strings.HasPrefix(in.Name, string(crash)) && !doubles(in.Name) && !s.parking {
			in.To = time.Now()
		}
	}
	s.mu.Unlock()
	s.start()
}

// note adds an incident that counts until the next judgement.
func (s *stage) note(in ledger.Incident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incidents = append(s.incidents, in)
}

// fired notes what the process under test does to itself.
func (s *stage) fired(f firing) {
	in := ledger.Incident{Name: f.name(), From: f.At, Event: f.Event, Subscription: f.Subscription}
	switch f.Kind {
	case crash: // what is in hand is another matter than what the step is about
		in.Event, in.Subscription = hermod.ID{}, ""
	case errs, panics:
		if !explains(f.Step) {
			in.Subscription = "" // it is counted, and explains nothing
			if in.Event.IsZero() {
				in.Event = nobodys()
			}
		}
	}
	s.note(in)
}

// nobodys is the id of no event.
func nobodys() hermod.ID { return hermod.ID{0xff} }

// explains reports whether a push may be repeated for an error at the step. One before
// the push repeats none.
func explains(step string) bool {
	switch step {
	case "deliver.PutAttempt", "deliver.Push", "delivery.Handle":
		return true
	default:
		return doubles(step)
	}
}

// doubles reports whether a fault at the step leaves a delivery with two messages, which
// may be handed out at once. They are there until all is quiet.
func doubles(name string) bool {
	for _, step := range []string{
		"due.Send", "due.ClearDue", "due.Unpark", "sweep.Send", "sweep.Unpark", "deliver.Park", "deliver.SubscriptionsByRef", "replay.Send",
	} {
		if strings.Contains(name, step) {
			return true
		}
	}
	return false
}

// judge waits until all is quiet and holds the books against the log.
func (s *stage) judge(what string) *ledger.Verdict {
	s.t.Helper()
	state := s.quiet(what)
	s.mu.Lock()
	for _, in := range s.incidents {
		if in.To.IsZero() {
			in.To = time.Now()
		}
		s.books.Note(in)
	}
	s.incidents = nil
	s.mu.Unlock()
	v := s.books.Judge(state)
	if len(v.Faults) > 0 {
		s.t.Fatalf("%s: %s\n%s\n%s", what, strings.Join(v.Faults, "\n"), v, s.output())
	}
	return v
}

// How long a stage waits in all, and how often it looks.
const (
	patience = 60 * time.Second
	lookEach = 15 * time.Millisecond
)

// jumps are how far the clock is set ahead, one after the other, where things take their
// time: pauses after faults, leases, waits of what is parked.
func jumps() []time.Duration {
	return []time.Duration{
		time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
	}
}

// patient is how long a stage waits before it sets the clock ahead.
const patient = 100 * time.Millisecond

// arm has the process do a fault from now on; nil for none.
func (s *stage) arm(f *fault) {
	s.t.Helper()
	if err := s.control("arm", f, nil); err != nil {
		s.t.Fatal(err)
	}
}

// quiet waits until nothing is under way and answers the log. Where it takes long, it
// sets the clock ahead.
func (s *stage) quiet(what string) *ledger.State {
	s.t.Helper()
	var last string
	var state *ledger.State
	hurry := s.hurry()
	s.poll(what, func() (string, error) {
		if err := hurry(); err != nil {
			return "", err
		}
		if err := s.control("pending", nil, &last); err != nil || last != "" {
			return last, err
		}
		if err := s.control("state", nil, &state); err != nil {
			return "", err
		}
		unfinished := state.Unfinished()
		if unfinished != "" {
			unfinished += s.history(state, unfinished)
		}
		return unfinished, nil
	})
	return state
}

// history is what happened to the event that a text names.
func (s *stage) history(state *ledger.State, text string) string {
	var b strings.Builder
	for _, a := range state.Attempts {
		if strings.Contains(text, a.EventID.String()) && strings.Contains(text, a.SubscriptionID) {
			fmt.Fprintf(&b, "\n%s attempt %s %s, next %s by %s", a.At, a.AttemptKey, a.State, a.NextAt, a.Carrier)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.incidents {
		if strings.Contains(text, in.Event.String()) || in.Event.IsZero() {
			fmt.Fprintf(&b, "\n%s %s %s", in.From, in.Name, in.Event)
		}
	}
	return b.String()
}

// hurry sets the clock ahead, more and more, when it is called for some time.
func (s *stage) hurry() func() error {
	n, moved := 0, time.Now()
	return func() error {
		if time.Since(moved) < patient {
			return nil
		}
		n, moved = n+1, time.Now()
		return s.ahead(jumps()[min(n, len(jumps()))-1])
	}
}

// ahead sets the clock ahead by d, or back.
func (s *stage) ahead(d time.Duration) error {
	s.mu.Lock()
	s.settings.Clock += d
	clock := s.settings.Clock
	s.mu.Unlock()
	return s.control("clock", clock, nil)
}

// now is the time by the clock of the process.
func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.settings.Clock)
}

// poll looks until there is nothing in the way any more.
func (s *stage) poll(what string, look func() (string, error)) {
	s.t.Helper()
	if err := s.try(look); err != nil {
		s.t.Fatalf("%s: %v, the clock %s ahead\n%s", what, err, s.settings.Clock, s.output())
	}
}

// try looks until there is nothing in the way any more, and answers what is after all,
// or errEnded.
func (s *stage) try(look func() (string, error)) error {
	p := s.process()
	return s.until(func() (string, error) {
		select {
		case <-p.ended:
			return "", errEnded
		default:
			return look()
		}
	})
}

// until is try with a process or without.
func (s *stage) until(look func() (string, error)) error {
	deadline := time.After(patience)
	ticker := time.NewTicker(lookEach)
	defer ticker.Stop()
	for {
		problem, err := look()
		if err != nil || problem == "" {
			return err
		}
		select {
		case <-deadline:
			return errors.New(problem)
		case <-ticker.C:
		}
	}
}

// errFailed is an answer that blames Hermod.
var errFailed = errors.New("Hermod has failed") //nolint:staticcheck // it is a name

// api calls the native API as the local client. It fails with errFailed for 5xx; what
// blames the caller fails the test.
func (s *stage) api(method, path string, body []byte, header ...string) ([]byte, error) {
	for tries := 0; ; tries++ {
		s.mu.Lock()
		token := s.token
		s.mu.Unlock()
		status, answer, err := s.process().do(s.t.Context(), method, "/events-management"+path, body,
			append(header, "Authorization", "Bearer "+token, "Content-Type", "application/json")...)
		switch {
		case err != nil:
			return nil, err
		case status == http.StatusUnauthorized && tries < 5: // the clock is set again and again
			if err := s.logIn(); err != nil {
				return nil, err
			}
		case status >= 500:
			return nil, fmt.Errorf("%w: %d %s", errFailed, status, answer)
		case status >= 300:
			s.t.Errorf("%s %s: got %d %s", method, path, status, answer)
			return nil, fmt.Errorf("%d %s", status, answer)
		default:
			return answer, nil
		}
	}
}

// logIn gets a token. They end an hour later by the clock of the process.
func (s *stage) logIn() error {
	client := provision.Local()[0]
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {client.Secret},
		"scope": {strings.Join(client.Scopes, " ")},
	}
	status, answer, err := s.process().do(s.t.Context(), http.MethodPost, "/auth/open/connect/token", []byte(form.Encode()),
		"Content-Type", "application/x-www-form-urlencoded")
	if err != nil {
		return err
	}
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &got); err != nil || got.Token == "" {
		return fmt.Errorf("%w: no token: %d %s", errFailed, status, answer)
	}
	s.mu.Lock()
	s.token = got.Token
	s.mu.Unlock()
	return nil
}
