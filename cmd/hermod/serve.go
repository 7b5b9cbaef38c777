package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
	"hermod/pkg/node"
	"hermod/pkg/push"
)

// defaultAddr is where a node listens unless HERMOD_ADDR says otherwise.
const defaultAddr = "127.0.0.1:3000"

// gcPercent is how much the heap grows between collections unless GOGC says
// otherwise. Little of it lives long, so a node trades memory for time: at 2,700
// events/s 100 MB more save a sixth of its processor time.
const gcPercent = 400

// serve runs a node until the process is told to end.
func serve(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("serve")
	addr := f.String("addr", c.env("HERMOD_ADDR", defaultAddr), "address to listen on (HERMOD_ADDR)")
	data := f.String("data", c.env("HERMOD_DATA", ".hermod"), "directory of the database and the key file (HERMOD_DATA)")
	public := f.String("public-url", c.env("HERMOD_PUBLIC_URL", ""), "where clients reach the node, and clouds that trust its issuer; empty for the address of each request (HERMOD_PUBLIC_URL)")
	targets := f.String("targets", c.env("HERMOD_TARGETS", "local"), "where deliveries may go: local, or strict as on AWS (HERMOD_TARGETS)")
	mintURL := f.String("mint-url", c.env("HERMOD_MINT_URL", ""), "URL that triggers flows of Mint, with {flowId} in it; empty for none (HERMOD_MINT_URL)")
	roles := f.String("aws-role-prefix", c.env("HERMOD_AWS_ROLE_PREFIX", ""), "how the names of roles on AWS begin that subscribers give, to be assumed with the credentials in the environment; empty for none (HERMOD_AWS_ROLE_PREFIX)")
	challenge := f.String("challenge", c.env("HERMOD_CHALLENGE", "optional"), "whether the endpoint of each new webhook must agree to deliveries: required, or optional for where its subscriber asks for it (HERMOD_CHALLENGE)")
	level := f.String("log", c.env("HERMOD_LOG", "warn"), "log level: debug, info, warn or error (HERMOD_LOG)")
	rate := f.Int("rate-limit", api.DefaultRate, "requests a second that a credential may make; 0 for as many as it likes")
	most := f.Int("max-subscriptions", hermod.MaxSubscriptions, "subscriptions that an owner may have")
	keep := f.Bool("known-credentials", false, "let the credentials that a clean machine starts with stand although others can reach the node: whoever reaches it is let in")
	profile := f.String("cpuprofile", "", "file to write a CPU profile of the whole run to")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		stop, cause := startProfile(*profile)
		if cause != nil {
			return cause
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if c.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	base, err := publicURL(*public)
	if err != nil {
		return err
	}
	log, err := logger(c, *level)
	if err != nil {
		return err
	}
	to, err := destinations(c, *targets, *mintURL, *roles)
	if err != nil {
		return err
	}
	if to.Handshake, err = push.ParseHandshake(*challenge, *public); err != nil {
		return fmt.Errorf("-challenge: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("listening (HERMOD_ADDR chooses another address): %w", err)
	}
	defer listener.Close() //nolint:errcheck // Serve closes it first
	slog.SetDefault(log)   // net/http writes what a peer sent unasked through the standard log
	outside, err := outsideIssuer(c, log)
	if err != nil {
		return err
	}
	n, err := node.Open(ctx, node.Options{
		Exposed: !*keep && exposed(*addr, base),
		Data:    *data, PublicURL: base, Policy: to.Policy, Handshake: to.Handshake, Endpoints: to.Endpoints, Mint: to.Mint, AWS: to.AWS, Outside: outside, RateLimit: *rate, MaxSubscriptions: *most, Now: time.Now, Log: log,
	})
	if errors.Is(err, node.ErrKnown) {
		return fmt.Errorf("others can reach this node, and %w: end them with hermod keys revoke -data %s -local, and make a client of your own with hermod provision", err, *data)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	c.welcome("http://"+listener.Addr().String(), *data, n.Known())
	return n.Serve(ctx, listener)
}

func logger(c *console, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("-log %q: want debug, info, warn or error", level)
	}
	return slog.New(slog.NewJSONHandler(c.err, &slog.HandlerOptions{Level: l})), nil
}

// outsideIssuer is the one that the environment names; nil for none.
func outsideIssuer(c *console, log *slog.Logger) (*auth.Outside, error) {
	outside, err := auth.NewOutside(auth.OutsideOptions{
		Issuer: c.getenv("HERMOD_ISSUER_URL"), JWKS: c.getenv("HERMOD_JWKS_URL"), Audience: c.getenv("HERMOD_AUDIENCE"), Now: time.Now, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("HERMOD_ISSUER_URL, HERMOD_JWKS_URL and HERMOD_AUDIENCE: %w", err)
	}
	return outside, nil
}

// startProfile writes a CPU profile until stop is called.
func startProfile(file string) (stop func() error, err error) {
	out, err := os.Create(filepath.Clean(file))
	if err != nil {
		return nil, fmt.Errorf("creating the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the profile: %w", err), out.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return out.Close()
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// exposed reports whether others than this machine can reach a node that listens there, or that
// has such a public URL.
func exposed(addr string, base api.BaseURL) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !loopback(host) {
		return true
	}
	u, err := url.Parse(string(base))
	return err != nil || (u.Host != "" && !loopback(u.Hostname()))
}
