package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// A FailureCounter counts for all processes together.
type FailureCounter interface {
	// Count adds n to the count of the name and answers the sum. The count is forgotten
	// some time after until.
	Count(ctx context.Context, name string, n int64, until time.Time) (int64, error)
}

// How many logins may fail within failureWindow.
const (
	failureWindow = time.Minute
	// failuresOfPair are those to one login from one source.
	failuresOfPair = 10
	// failuresOfSource are those from one source, to whatever logins, and failuresOfLogin
	// those to one login, from wherever. Neither binds a source that has opened the login
	// before: strangers cannot lock out whoever is known.
	failuresOfSource = 60
	failuresOfLogin  = 100
	// knownSources bounds the sources that are remembered, and maxFailing what failures
	// are counted of; past it either starts afresh.
	knownSources = 10_000
	maxFailing   = 10_000
	// knownFor is how long a source is remembered that has opened a login.
	knownFor = 24 * time.Hour
)

// A Guard makes it slow to guess the secret of a login. It counts failures alone: who
// knows the secret may log in as often as it likes. Whoever is past a bound hears nothing
// of whether a secret is right until the minute is over.
//
// Who fails first learns the count over all processes, so each process admits one more
// than the bounds say.
type Guard struct {
	// Counter counts over all processes; nil counts in this one. Where it fails, so does
	// this one alone.
	Counter FailureCounter
	Now     func() time.Time
	Log     *slog.Logger

	mu      sync.Mutex
	failing map[string]*failures
	known   map[string]time.Time
}

// failures of a name in the window that ends at until.
type failures struct {
	until time.Time
	sum   int64
}

// A bound is how many failures a name may have.
type bound struct {
	name string
	most int64
}

// Try has open look at what was presented for the login from the source, "" for one that
// is not known, and counts it where that fails with CodeUnauthorized. It fails with
// CodeTooManyRequests without asking open where too much has failed. A nil Guard guards
// nothing.
func (g *Guard) Try(ctx context.Context, login, source string, open func(context.Context) error) error {
	if g == nil {
		return open(ctx)
	}
	bounds := []bound{{nameOf("pair", login, source), failuresOfPair}}
	if !g.knows(bounds[0].name) {
		bounds = append(bounds, bound{nameOf("login", login), failuresOfLogin})
		if source != "" {
			bounds = append(bounds, bound{nameOf("source", source), failuresOfSource})
		}
	}
	for _, b := range bounds {
		if wait := g.refuses(b); wait > 0 {
			return &hermod.Error{
				Code: hermod.CodeTooManyRequests, Message: "too many logins have failed; try again later", RetryAfter: wait,
			}
		}
	}
	err := open(ctx)
	switch hermod.CodeOf(err) {
	case "", hermod.CodeForbidden: // the secret was right
		g.remember(bounds[0].name)
	case hermod.CodeUnauthorized:
		for _, b := range bounds {
			g.count(ctx, b)
		}
	}
	return err
}

// refuses is how long the name is refused still, 0 for not.
func (g *Guard) refuses(b bound) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.failing[b.name]
	if f == nil || f.sum < b.most {
		return 0
	}
	return max(0, f.until.Sub(g.Now()))
}

func (g *Guard) count(ctx context.Context, b bound) {
	until := g.Now().Truncate(failureWindow).Add(failureWindow)
	sum := int64(0)
	if g.Counter != nil {
		var err error
		if sum, err = g.Counter.Count(ctx, "logins#"+b.name+"#"+until.UTC().Format(time.RFC3339), 1, until); err != nil {
			g.Log.LogAttrs(ctx, slog.LevelWarn, "failed login not counted", hermod.LogError(err))
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.failing[b.name]
	if f == nil || !f.until.Equal(until) {
		if g.failing == nil || len(g.failing) >= maxFailing {
			g.failing = map[string]*failures{}
		}
		f = &failures{until: until}
		g.failing[b.name] = f
	}
	f.sum = max(f.sum+1, sum)
	if f.sum == b.most {
		g.Log.LogAttrs(ctx, slog.LevelWarn, "logins are refused", slog.String("bound", b.name), slog.Time("until", until))
	}
}

func (g *Guard) knows(pair string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.known[pair]
	return ok && g.Now().Sub(at) < knownFor
}

func (g *Guard) remember(pair string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil || len(g.known) >= knownSources {
		g.known = map[string]time.Time{}
	}
	g.known[pair] = g.Now()
}

// nameOf names what is counted without telling an address or a login of any length.
func nameOf(kind string, parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return kind + ":" + hex.EncodeToString(h.Sum(nil)[:16])
}

// SourceOf is where a request comes from: the address of the peer, of IPv6 the network of
// 64 bits that one site has; "" where that is not known. What headers say of it anybody
// can write.
func SourceOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		const site = 64
		prefix, err := addr.Prefix(site)
		if err != nil {
			return ""
		}
		return prefix.String()
	}
	return addr.String()
}
