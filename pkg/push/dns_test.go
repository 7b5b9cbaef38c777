package push_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// newResolver makes a resolver that asks a name server on loopback, which answers
// what answer gives for the number of the question of an address family, from 1.
func newResolver(t *testing.T, answer func(n int) []netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		asked := map[dnsmessage.Type]int{}
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if reply := reply(buffer[:n], asked, answer); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		done.Wait()
	})
	address := conn.LocalAddr().String()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", address)
	}}
}

func reply(query []byte, asked map[dnsmessage.Type]int, answer func(n int) []netip.Addr) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	asked[q.Type]++
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	addresses := answer(asked[q.Type])
	if addresses == nil {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func addresses(texts ...string) []netip.Addr {
	parsed := make([]netip.Addr, len(texts))
	for i, text := range texts {
		parsed[i] = netip.MustParseAddr(text)
	}
	return parsed
}

func blocked(target string) deliver.Result {
	return deliver.Result{
		Class: deliver.ClassBlockedTarget, Message: "the host resolves to an address that must not be connected to",
		Target: target, Permanent: hermod.ReasonBlockedTarget,
	}
}

func TestNamesThatResolveToForbiddenAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	everywhere := []string{
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "169.254.79.129", "100.64.0.1", "100.100.100.200",
		"0.0.0.0", "0.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1",
		"224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254",
		"ff02::1", "64:ff9b::a9fe:a9fe", "64:ff9b::808:808", "64:ff9b:1::1", "2002:a00:1::", "2001::1", "2001:db8::1", "100::1", "3fff::1",
	}
	loopback := []string{"127.0.0.1", "127.0.0.53", "127.255.255.254", "::1", "::ffff:127.0.0.1"}
	tests := map[string]struct {
		policy    *push.Policy
		url       string
		forbidden []string
	}{
		"strict":              {push.Strict(), "https://receiver.example/", append(loopback, everywhere...)},
		"local, http":         {push.Local(), "http://receiver.example:9001/", everywhere},
		"local, https":        {push.Local(), "https://receiver.example:9001/", everywhere},
		"emulator, https":     {push.Emulator(netip.MustParsePrefix("172.20.0.0/16")), "https://receiver.example/", append(loopback, everywhere...)},
		"emulator, http":      {push.Emulator(netip.MustParsePrefix("172.20.0.0/16")), "http://receiver.example/", append(append(loopback, "8.8.8.8", "2606:4700:4700::1111"), everywhere...)},
		"emulator, its port":  {push.Emulator(netip.MustParsePrefix("172.20.0.0/16")), "https://receiver.example:9001/", []string{"8.8.8.8", "127.0.0.1"}},
		"emulator, localhost": {push.Emulator(netip.MustParsePrefix("172.20.0.0/16")), "http://localhost:9001/", []string{"127.0.0.1"}},
	}
	for name, tt := range tests {
		for _, address := range tt.forbidden {
			t.Run(name+" "+address, func(t *testing.T) {
				t.Parallel()
				ps := newPushers(t, push.Options{Policy: tt.policy, Resolver: newResolver(t, func(int) []netip.Addr { return addresses(address) })})
				if got := ps.Push(t.Context(), webhookTo(tt.url+"?token=s3cret"), payload()); got != blocked(tt.url) {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}

func TestANameThatIsBoundAnewIsJudgedAnew(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		w.Header().Set("Connection", "close")
	})
	url := strings.Replace(server.URL, "127.0.0.1", "rebinding.example", 1)
	// First an address that the policy allows, later ones that it does not.
	resolver := newResolver(t, func(n int) []netip.Addr {
		return addresses([]string{"127.0.0.1", "127.0.0.2", "169.254.169.254", "10.0.0.1"}[(n-1)%4])
	})
	ps := newPushers(t, push.Options{Policy: push.Emulator(netip.MustParsePrefix("127.0.0.1/32")), Resolver: resolver})
	if r := ps.Push(t.Context(), webhookTo(url), payload()); !r.Succeeded() {
		t.Fatalf("got %+v", r)
	}
	for range 3 {
		if r := ps.Push(t.Context(), webhookTo(url), payload()); r != blocked(url) {
			t.Errorf("got %+v", r)
		}
	}
	if r := ps.Push(t.Context(), webhookTo(url), payload()); !r.Succeeded() || reached.Load() != 2 {
		t.Errorf("got %+v, reached %d times", r, reached.Load())
	}
}

func TestOfSeveralAddressesOnlyTheAllowedAreDialled(t *testing.T) {
	t.Parallel()
	server := newServer(t, func(http.ResponseWriter, *http.Request) {})
	url := strings.Replace(server.URL, "127.0.0.1", "receiver.example", 1)
	resolver := newResolver(t, func(int) []netip.Addr { return addresses("10.0.0.1", "127.0.0.1", "169.254.169.254", "fe80::1") })
	ps := newPushers(t, push.Options{Resolver: resolver})
	if r := ps.Push(t.Context(), webhookTo(url), payload()); !r.Succeeded() {
		t.Errorf("got %+v", r)
	}
}

// The allowed address may be back at the next attempt, so the failure is not final.
func TestAnAllowedAddressThatIsDownIsNotBlocked(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{{"10.0.0.1", "127.0.0.1"}, {"127.0.0.1", "10.0.0.1"}, {"fe80::1", "127.0.0.1"}} {
		url := strings.Replace(refused(t), "127.0.0.1", "receiver.example", 1)
		ps := newPushers(t, push.Options{Resolver: newResolver(t, func(int) []netip.Addr { return addresses(list...) })})
		if r := ps.Push(t.Context(), webhookTo(url), payload()); r.Class != deliver.ClassConnect || r.Permanent != "" {
			t.Errorf("%v: got %+v", list, r)
		}
	}
}

func TestFailuresOfDNS(t *testing.T) {
	t.Parallel()
	silent := silentResolver(t)
	tests := map[string]struct {
		resolver *net.Resolver
		message  string
	}{
		"no such name":    {newResolver(t, func(int) []netip.Addr { return nil }), "the host name does not exist"},
		"no address":      {newResolver(t, func(int) []netip.Addr { return []netip.Addr{} }), "the host name does not exist"},
		"no name server":  {&net.Resolver{PreferGo: true, Dial: failingDial}, "the host name could not be resolved"},
		"a silent server": {silent, "the host name was not resolved in time"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ps := newPushers(t, push.Options{Policy: push.Strict(), Resolver: tt.resolver, Timeout: 2 * quick})
			r := ps.Push(t.Context(), webhookTo("https://receiver.example/hook"), payload())
			if want := (deliver.Result{Class: "dns", Message: tt.message, Target: "https://receiver.example/hook"}); r != want {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func failingDial(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }

// silentResolver is a resolver whose name server never answers.
func silentResolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
