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

	"hermod/pkg/hermod"
	"hermod/pkg/node"
)

// gcPercent is how much the heap grows between collections unless GOGC says
// otherwise. Little of it lives long, so a node trades memory for time: at 2,700
// events/s 100 MB more save a sixth of its processor time.
const gcPercent = 400

// serve runs a node until the process is told to end.
func serve(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("serve")
	s := settingsOf(c, f)
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	if s.profile != "" {
		stop, cause := startProfile(s.profile)
		if cause != nil {
			return cause
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if c.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	o, err := s.options(c)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listening (HERMOD_ADDR chooses another address): %w", err)
	}
	defer listener.Close() //nolint:errcheck // Serve closes it first
	slog.SetDefault(o.Log) // net/http writes what a peer sent unasked through the standard log
	n, err := node.Open(ctx, o)
	if errors.Is(err, node.ErrKnown) {
		return fmt.Errorf("others can reach this node, and %w: end them with hermod keys revoke -data %s -local, and make a client of your own with hermod provision", err, o.Data)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	c.welcome("http://"+listener.Addr().String(), o.Data, n.Known())
	return n.Serve(hermod.ByHermod(ctx), listener) // what its workers change, nobody ordered
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
