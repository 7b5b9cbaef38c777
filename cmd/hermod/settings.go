package main

import (
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
	"hermod/pkg/node"
	"hermod/pkg/push"
)

// defaultAddr is where a node listens unless HERMOD_ADDR says otherwise.
const defaultAddr = "127.0.0.1:3000"

// settings are what whoever runs a node has to say, by flags or by the environment.
type settings struct {
	addr, data, public, targets, mint, roles, challenge, level, profile string
	rate, mostSubscriptions                                             int
	keepKnown                                                           bool
}

// settingsOf defines the flags. The settings stand when they are parsed.
func settingsOf(c *console, f *flag.FlagSet) *settings {
	s := &settings{}
	f.StringVar(&s.addr, "addr", c.env("HERMOD_ADDR", defaultAddr), "address to listen on (HERMOD_ADDR)")
	f.StringVar(&s.data, "data", c.env("HERMOD_DATA", ".hermod"), "directory of the database and the key file (HERMOD_DATA)")
	f.StringVar(&s.public, "public-url", c.env("HERMOD_PUBLIC_URL", ""), "where clients reach the node, and clouds that trust its issuer; empty for the address of each request (HERMOD_PUBLIC_URL)")
	f.StringVar(&s.targets, "targets", c.env("HERMOD_TARGETS", "local"), "where deliveries may go: local, or strict as on AWS (HERMOD_TARGETS)")
	f.StringVar(&s.mint, "mint-url", c.env("HERMOD_MINT_URL", ""), "URL that triggers flows of Mint, with {flowId} in it; empty for none (HERMOD_MINT_URL)")
	f.StringVar(&s.roles, "aws-role-prefix", c.env("HERMOD_AWS_ROLE_PREFIX", ""), "how the names of roles on AWS begin that subscribers give, to be assumed with the credentials in the environment; empty for none (HERMOD_AWS_ROLE_PREFIX)")
	f.StringVar(&s.challenge, "challenge", c.env("HERMOD_CHALLENGE", "optional"), "whether the endpoint of each new webhook must agree to deliveries: required, or optional for where its subscriber asks for it (HERMOD_CHALLENGE)")
	f.StringVar(&s.level, "log", c.env("HERMOD_LOG", "warn"), "log level: debug, info, warn or error (HERMOD_LOG)")
	f.IntVar(&s.rate, "rate-limit", api.DefaultRate, "requests a second that a credential may make; 0 for as many as it likes")
	f.IntVar(&s.mostSubscriptions, "max-subscriptions", hermod.MaxSubscriptions, "subscriptions that an owner may have, 1 or more")
	f.BoolVar(&s.keepKnown, "known-credentials", false, "let the credentials that a clean machine starts with stand although others can reach the node: whoever reaches it is let in")
	f.StringVar(&s.profile, "cpuprofile", "", "file to write a CPU profile of the whole run to")
	return s
}

// options are those of the node that the settings ask for.
func (s *settings) options(c *console) (node.Options, error) {
	if s.rate < 0 {
		return node.Options{}, fmt.Errorf("-rate-limit %d: want 1 or more requests a second, or 0 for as many as a credential likes", s.rate)
	}
	if s.mostSubscriptions < 1 {
		return node.Options{}, fmt.Errorf("-max-subscriptions %d: want 1 or more", s.mostSubscriptions)
	}
	base, err := publicURL(s.public)
	if err != nil {
		return node.Options{}, err
	}
	log, err := logger(c, s.level)
	if err != nil {
		return node.Options{}, err
	}
	to, err := destinations(c, s.targets, s.mint, s.roles)
	if err != nil {
		return node.Options{}, err
	}
	if to.Handshake, err = push.ParseHandshake(s.challenge, s.public); err != nil {
		return node.Options{}, fmt.Errorf("-challenge: %w", err)
	}
	outside, err := outsideIssuer(c, log)
	if err != nil {
		return node.Options{}, err
	}
	return node.Options{
		Data: s.data, PublicURL: base, Exposed: !s.keepKnown && exposed(s.addr, base), Outside: outside,
		Policy: to.Policy, Handshake: to.Handshake, Endpoints: to.Endpoints, Mint: to.Mint, AWS: to.AWS,
		RateLimit: s.rate, MaxSubscriptions: s.mostSubscriptions, Now: time.Now, Log: log,
	}, nil
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
