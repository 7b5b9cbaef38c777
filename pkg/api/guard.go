package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// How many logins may fail within failureWindow. There is no bound for a login from wherever:
// its secret is too long to be guessed at any rate, and whoever has ten addresses could lock
// its owner out.
const (
	failureWindow = time.Minute
	// failuresOfPair are those to one login from one source.
	failuresOfPair = 10
	// failuresOfSource are those from one source, to whatever logins. It does not bind a
	// source at a login that it has opened before: others may share the address.
	failuresOfSource = 60
	// maxKnown bounds the pairs that are remembered as opened; past it, that starts afresh.
	maxKnown = 10_000
	// knownFor is how long a pair is remembered that was opened.
	knownFor = 24 * time.Hour
	// maxFailing bounds the names that failures are counted of.
	maxFailing = 10_000
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
	Counter Counter
	Now     func() time.Time
	Log     *slog.Logger

	mu sync.Mutex
	// failed counts the failures of each name in the window that ends at until.
	failed map[string]int64
	until  time.Time
	known  map[string]time.Time
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
	if source != "" && !g.knows(bounds[0].name) {
		bounds = append(bounds, bound{nameOf("source", source), failuresOfSource})
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

// window is when the current window ends.
func (g *Guard) window() time.Time { return g.Now().Truncate(failureWindow).Add(failureWindow) }

// refuses is how long the name is refused still, 0 for not.
func (g *Guard) refuses(b bound) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.until.Equal(g.window()) || g.failed[b.name] < b.most {
		return 0
	}
	return max(0, g.until.Sub(g.Now()))
}

func (g *Guard) count(ctx context.Context, b bound) {
	until, sum := g.window(), int64(0)
	if g.Counter != nil {
		var err error
		if sum, err = g.Counter.Count(ctx, "logins#"+b.name+"#"+until.UTC().Format(time.RFC3339), 1, until); err != nil {
			g.Log.LogAttrs(ctx, slog.LevelWarn, "failed login not counted", hermod.LogError(err))
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !until.Equal(g.window()) {
		return // it ended meanwhile
	}
	if !until.Equal(g.until) {
		g.until, g.failed = until, map[string]int64{}
	}
	if _, ok := g.failed[b.name]; !ok && len(g.failed) >= maxFailing {
		g.makeRoom()
	}
	g.failed[b.name] = max(g.failed[b.name]+1, sum)
	if g.failed[b.name] == b.most {
		g.Log.LogAttrs(ctx, slog.LevelWarn, "logins are refused", slog.String("bound", b.name), slog.Time("until", until))
	}
}

// makeRoom forgets the names with few failures, which are cheap to make many of: what is
// refused stays so. Only where all have many does it forget them all.
func (g *Guard) makeRoom() {
	maps.DeleteFunc(g.failed, func(_ string, failures int64) bool { return failures < failuresOfPair })
	if len(g.failed) >= maxFailing {
		clear(g.failed)
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
	if g.known == nil || len(g.known) >= maxKnown {
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
