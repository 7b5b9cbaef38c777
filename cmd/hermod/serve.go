package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/node"
	"hermod/pkg/provision"
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
	level := f.String("log", c.env("HERMOD_LOG", "warn"), "log level: debug, info, warn or error (HERMOD_LOG)")
	rate := f.Int("rate-limit", api.DefaultRate, "requests a second that a credential may make; 0 for as many as it likes")
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
		Data: *data, PublicURL: base, Policy: to.Policy, Endpoints: to.Endpoints, Mint: to.Mint, AWS: to.AWS, Outside: outside, RateLimit: *rate, Now: time.Now, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	c.welcome("http://" + listener.Addr().String())
	if host, _, _ := net.SplitHostPort(*addr); !loopback(host) {
		fmt.Fprintln(c.err, "hermod: listening beyond this machine; everybody knows the secrets that a clean one starts with: make your own, stop the node and revoke those with hermod keys revoke -data "+*data+" -local")
	}
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

// welcome prints where the node is, who may call it, and a command that works as
// it is pasted.
func (c *console) welcome(base string) {
	fmt.Fprintf(c.out, "hermod ready %s\n\n", base)
	for _, client := range provision.Local() {
		fmt.Fprintf(c.out, "  client %s / %s   account %s", client.ID, client.Secret, client.Account)
		if client.Organization != "" {
			fmt.Fprintf(c.out, "   organization %s", client.Organization)
		}
		fmt.Fprintln(c.out)
	}
	local := provision.Local()[0]
	secrets := map[auth.Kind]provision.Secret{}
	for _, s := range provision.LocalSecrets() {
		if s.Account == local.Account {
			secrets[s.Kind] = s
		}
	}
	signly, login := secrets[auth.SignlyKey], secrets[auth.TeliaLogin]
	fmt.Fprintf(c.out, "\n  Signly      %s/signly       tenant %s   X-Auth-Signly %s\n", base, signly.Tenant, signly.Secret)
	fmt.Fprintf(c.out, "  Telia Sign  %s/hooks/v1     tenant %s   login %s / %s   subscription key %s\n",
		base, login.Tenant, login.Login, login.Secret, secrets[auth.TeliaKey].Secret)
	fmt.Fprintf(c.out, "  Universign  %s/universign   API key %s\n", base, secrets[auth.UniversignKey].Secret)
	fmt.Fprintf(c.out, `
Publish an event:

  curl -sS %[1]s/events-management/events -H 'Content-Type: application/json' \
    -H "Authorization: Bearer $(curl -sS %[1]s/auth/open/connect/token -d grant_type=client_credentials \
      -d client_id=%[2]s -d client_secret=%[3]s | sed 's/.*"access_token":"\([^"]*\)".*/\1/')" \
    -d '{"sender":"signature-api","eventName":"order.completed","eventData":{"orderId":"o-1"}}'

See it arrive: run "go run ./cmd/hermod listen" in another terminal first.
`, base, local.ID, local.Secret)
}
