package push_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// A trap listens inside, as the Runtime API of Lambda does, and counts who connects.
type trap struct {
	port    uint16
	reached atomic.Int64
}

// setTrap listens on one port of this machine's addresses.
func setTrap(t *testing.T) *trap {
	t.Helper()
	tr := &trap{}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait) // runs last: after the listeners are closed
	for _, address := range []string{"127.0.0.1", "[::1]", "127.0.0.2", "127.1.2.3"} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("%s:%d", address, tr.port))
		switch {
		case err != nil && tr.port == 0:
			t.Fatal(err)
		case err != nil: // a machine without IPv6, or one that has the port in use there
			continue
		}
		bound, err := netip.ParseAddrPort(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		tr.port = bound.Port()
		serving.Go(func() { tr.serve(listener) })
		t.Cleanup(func() { _ = listener.Close() })
	}
	return tr
}

func (tr *trap) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		tr.reached.Add(1)
		_ = conn.Close()
	}
}

// loopbacks are ways to write the address of this machine.
func loopbacks() []string {
	return []string{
		"127.0.0.1", "127.0.0.2", "127.1.2.3", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001", "0", "0.0.0.0", "0.0.0.1",
		"127.0.0.1.", "127.000.000.001", "localhost", "LOCALHOST", "localhost.", "api.localhost", "localhost.localdomain", "ip6-localhost",
		"[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0.0.0.0]", "[::127.0.0.1]", "[::1%25lo]", "[fe80::1%25lo]",
		"[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "１２７.0.0.1", "127。0。0。1", "ⓛocalhost", "%31%32%37.0.0.1", "127.0.0.1%2f",
	}
}

// The policies of a deployment let nobody to loopback, whatever is written and whatever
// names resolve to: inside Lambda it holds the Runtime API, which hands out the events of
// other owners.
func TestNobodyReachesTheRuntimeAPI(t *testing.T) {
	t.Parallel()
	tr := setTrap(t)
	const path = "/2018-06-01/runtime/invocation/next"
	resolved := []string{"127.0.0.1", "127.0.0.2", "127.1.2.3", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"}
	for _, policy := range []*push.Policy{push.Strict(tr.port), push.Strict(), push.Emulator(netip.MustParsePrefix("172.20.0.0/16")), push.Emulator()} {
		for _, address := range resolved {
			ps := newPushers(t, push.Options{Policy: policy, Resolver: newResolver(t, func(int) []netip.Addr { return addresses(address) })})
			hosts := append(loopbacks(), "receiver.example", "runtime.receiver.example.")
			for _, host := range hosts {
				for _, scheme := range []string{"https", "http"} {
					s := webhookTo(fmt.Sprintf("%s://%s:%d%s", scheme, host, tr.port, path))
					if r := ps.Push(t.Context(), s, payload()); r.Succeeded() || r.StatusCode != 0 {
						t.Errorf("%s as %s: %+v", host, address, r)
					}
					if f := ps.Probe(t.Context(), s); f[len(f)-1].Verdict != deliver.Failed {
						t.Errorf("probing %s as %s: %+v", host, address, f)
					}
				}
			}
		}
	}
	if n := tr.reached.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	// The trap works: the policy of one machine lets its owner in, by the address alone.
	local := newPushers(t, push.Options{Resolver: newResolver(t, func(int) []netip.Addr { return addresses("0.0.0.0") })})
	for _, host := range []string{"0.0.0.0", "[::]", "[::ffff:0.0.0.0]", "0", "receiver.example"} {
		local.Push(t.Context(), webhookTo(fmt.Sprintf("http://%s:%d", host, tr.port)), payload())
	}
	if n := tr.reached.Load(); n != 0 {
		t.Errorf("%d connections were made to this machine by the address of all machines", n)
	}
	local.Push(t.Context(), webhookTo(fmt.Sprintf("http://127.0.0.1:%d%s", tr.port, path)), payload())
	if tr.reached.Load() == 0 {
		t.Error("the trap has not seen the one who may")
	}
}

// What a configuration that stands in the store says is judged again: nothing that is
// refused when it is written is asked of a name server, or connected to.
func TestWhatIsRefusedWhenWrittenIsNotTriedEither(t *testing.T) {
	t.Parallel()
	for column, policy := range policies(t) {
		var asked atomic.Int64
		ps := newPushers(t, push.Options{Policy: policy, Resolver: newResolver(t, func(int) []netip.Addr {
			asked.Add(1)
			return addresses("127.0.0.1")
		})})
		name, refused := "SLE"[column:column+1], 0
		for _, tt := range writtenTargets() {
			if strings.Contains(tt.verdicts, name) {
				continue
			}
			refused++
			r := ps.Push(t.Context(), webhookTo(tt.url), payload())
			if r.Class != deliver.ClassBlockedTarget || r.Permanent != hermod.ReasonBlockedTarget || r.Target != "" {
				t.Errorf("%s, %q: %+v", name, tt.url, r)
			}
			if f := ps.Probe(t.Context(), webhookTo(tt.url)); len(f) != 1 || f[0].Verdict != deliver.Failed {
				t.Errorf("%s, probing %q: %+v", name, tt.url, f)
			}
		}
		if asked.Load() != 0 || refused < 180 {
			t.Errorf("%s: %d names were asked for, of %d URLs", name, asked.Load(), refused)
		}
	}
}

// elsewhere are options under which the kind's hosts are looked up by name, and all of
// them resolve to the address.
func (c conformer) elsewhere(t *testing.T, policy *push.Policy, address string) (*push.Pushers, *hermod.Subscription) {
	t.Helper()
	const server = "https://receiver.example"
	var o push.Options
	if c.options != nil {
		o = c.options(t, server)
	}
	o.Endpoints, o.Policy = push.Endpoints{}, policy
	o.Resolver = newResolver(t, func(int) []netip.Addr { return addresses(address) })
	return newPushers(t, o), &hermod.Subscription{
		ID: "s-1", Owner: "a-1", Type: c.kind, Version: 1, Secrets: hermod.Secrets{Configuration: []byte(c.configuration(server))},
	}
}

func TestNoKindConnectsInside(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		for _, address := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "168.63.129.16", "100.64.0.1", "::1", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a00:1"} {
			ps, s := c.elsewhere(t, push.Strict(), address)
			if r := ps.Push(t.Context(), s, eventPayload()); r.Class != deliver.ClassBlockedTarget {
				t.Errorf("%s: %+v", address, r)
			}
			if f := ps.Probe(t.Context(), s); f[len(f)-1].Verdict != deliver.Failed || !strings.Contains(f[len(f)-1].Message, "must not be connected to") {
				t.Errorf("probing %s: %+v", address, f)
			}
		}
	})
}

func TestNoKindFollowsARedirect(t *testing.T) {
	tr := setTrap(t)
	t.Cleanup(func() {
		if n := tr.reached.Load(); n != 0 {
			t.Errorf("%d redirects were followed", n)
		}
	})
	suite(t, func(t *testing.T, c conformer) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, location := range []string{fmt.Sprintf("http://127.0.0.1:%d/", tr.port), fmt.Sprintf("//[::1]:%d/", tr.port), "/again", "http://169.254.169.254/"} {
				var asked atomic.Int64
				ps, s, _ := c.serving(t, func(w http.ResponseWriter, _ *http.Request) {
					asked.Add(1)
					w.Header().Set("Location", location)
					w.WriteHeader(status)
				})
				if r := ps.Push(t.Context(), s, eventPayload()); r.Class != deliver.ClassRedirect || r.StatusCode != status || asked.Load() != 1 {
					t.Errorf("%d to %s: %+v, asked %d times", status, location, r, asked.Load())
				}
				ps.Probe(t.Context(), s)
			}
		}
	})
}

// A name that is public when a subscriber checks it may be private at the next attempt,
// and at the one after.
func TestAProbeOpensNoDoorForAPush(t *testing.T) {
	t.Parallel()
	server := newServer(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	url := strings.Replace(server.URL, "127.0.0.1", "rebinding.example", 1)
	var inside atomic.Bool
	ps := newPushers(t, push.Options{Policy: push.Emulator(netip.MustParsePrefix("127.0.0.1/32")), Resolver: newResolver(t, func(int) []netip.Addr {
		if inside.Load() {
			return addresses("127.0.0.2", "169.254.169.254", "::1")
		}
		return addresses("127.0.0.1")
	})})
	for range 3 {
		inside.Store(false)
		if f := ps.Probe(t.Context(), webhookTo(url)); f[len(f)-1].Verdict == deliver.Failed {
			t.Errorf("found %+v", f)
		}
		inside.Store(true)
		if r := ps.Push(t.Context(), webhookTo(url), payload()); r != blocked(url) {
			t.Errorf("got %+v", r)
		}
	}
}
