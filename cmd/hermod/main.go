// Command hermod runs Hermod on one machine, and talks to it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"hermod/pkg/hermod"
)

// A command is one word after hermod.
type command struct {
	name  string
	about string
	run   func(ctx context.Context, c *console, args []string) error
}

// A console is what a command talks through.
type console struct {
	out    io.Writer
	err    io.Writer
	getenv func(string) string
}

func commands() []command {
	return []command{
		{"serve", "run everything in this process", serve},
		{"listen", "subscribe a receiver on this machine and show what arrives", listen},
		{"send", "publish one event", send},
		{"bench", "measure a node started for the purpose", runBench},
		{"provision", "create an account and its first client", provisionClient},
		{"backup", "copy what a node keeps, also while it runs", backup},
		{"redrive", "look at the dead letters of a queue, and move them back", redrive},
		{"audit", "show who changed what of an account's configuration", audit},
		{"keys", "list, create and revoke credentials; rotate the signing key", keys},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &console{out: os.Stdout, err: os.Stderr, getenv: os.Getenv}
	if err := run(ctx, c, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(c.err, "hermod:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, c *console, args []string) error {
	ctx = hermod.WithActor(ctx, hermod.Actor{Kind: hermod.ActorOperator})
	if len(args) > 0 {
		for _, cmd := range commands() {
			if cmd.name == args[0] {
				return cmd.run(ctx, c, args[1:])
			}
		}
	}
	fmt.Fprintln(c.err, "Hermod keeps events and pushes them, signed, to their subscribers.")
	fmt.Fprintln(c.err, "\nusage: hermod COMMAND [flags]")
	for _, cmd := range commands() {
		fmt.Fprintf(c.err, "  %-10s %s\n", cmd.name, cmd.about)
	}
	if len(args) > 0 && args[0] != "help" && args[0] != "-h" && args[0] != "--help" {
		return fmt.Errorf("no command %q", args[0])
	}
	return nil
}

// flags makes a flag set that reports errors instead of ending the process.
func (c *console) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("hermod "+name, flag.ContinueOnError)
	f.SetOutput(c.err)
	return f
}

// env is an environment variable, or its default.
func (c *console) env(name, otherwise string) string {
	if v := c.getenv(name); v != "" {
		return v
	}
	return otherwise
}
