package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

const keysUsage = `The credentials of accounts, and the keys that sign access tokens and webhooks.

usage:
  hermod keys list   PLACE [-account ACCOUNT]           show an account's credentials, and the signing keys
  hermod keys create PLACE -account ACCOUNT -name NAME [-type apiKey|client] [-scopes LIST]
                                                        make a credential; its secret is shown this once
  hermod keys create PLACE -account ACCOUNT -name NAME -type TYPE -tenant TENANT [-login LOGIN] [-role ROLE]
                                                        make one of another API, for what that API calls the account: TYPE
                                                        is signlyKey, signlyHmac, teliaKey, teliaLogin (with -login) or
                                                        universignKey (with -role). TENANT is any text for Signly, a GUID
                                                        for Telia Sign, wsp_... for Universign; a client of Telia Sign
                                                        needs a login and a key of one GUID. No event tells of it
  hermod keys revoke PLACE ID ...                       end credentials (oauth:local, apikey:...), or signing keys
                                                        that others have come to know
  hermod keys revoke PLACE -local                       end what a clean machine starts with, of every API: everybody
                                                        knows those secrets
  hermod keys rotate PLACE [-use USE] [-kms-key KEY]    make a new signing key; USE is access, for tokens, or universign,
                                                        for its webhooks

PLACE is -data DIR (HERMOD_DATA) for a node that does not run, or -table NAME (HERMOD_CONFIG_TABLE) for the Config
table of a deployment.
`

// keys shows and changes credentials and signing keys.
func keys(ctx context.Context, c *console, args []string) error {
	subcommands := map[string]func(context.Context, *console, []string) error{
		"list": listKeys, "create": createKey, "revoke": revokeKeys, "rotate": rotateKeys,
	}
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		fmt.Fprint(c.err, keysUsage)
		if len(args) == 0 {
			return errors.New("keys: want list, create, revoke or rotate")
		}
		return flag.ErrHelp
	}
	run, ok := subcommands[args[0]]
	if !ok {
		return fmt.Errorf("keys: no subcommand %q: want list, create, revoke or rotate", args[0])
	}
	if err := run(ctx, c, args[1:]); err != nil {
		return fmt.Errorf("keys %s: %w", args[0], err)
	}
	return nil
}

func listKeys(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("keys list")
	where := placeFlags(f)
	account := f.String("account", "", "`account` whose credentials are shown")
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	store, end, err := where.openExisting(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if *account != "" {
		if err := c.listCredentials(ctx, store, *account); err != nil {
			return err
		}
	}
	all, err := store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "SIGNING KEY\tUSE\tCREATED\tSTATE")
	for _, use := range uses() {
		set := auth.OfUse(all, use.use)
		for i := range set {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", set[i].ID, use.name, moment(set[i].CreatedAt), auth.KeyStateOf(set, i, time.Now()))
		}
	}
	return w.Flush()
}

func (c *console) listCredentials(ctx context.Context, store adminStore, account string) error {
	if _, err := ownerOf(ctx, store, account); err != nil {
		return err
	}
	all, err := (&auth.Registry{Store: store}).List(ctx, account)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "CREDENTIAL\tNAME\tTENANT\tSCOPES\tCREATED\tREVOKED")
	for _, k := range all {
		fmt.Fprintf(w, "%s\t%q\t%s\t%s\t%s\t%s\n", k.ID, k.Name, cmp.Or(k.Tenant, "-"), strings.Join(k.Scopes, ","), moment(k.CreatedAt), moment(k.RevokedAt))
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func ownerOf(ctx context.Context, store adminStore, account string) (hermod.Owner, error) {
	owners, err := store.Owners(ctx, []string{account})
	if err != nil {
		return hermod.Owner{}, err
	}
	owner, ok := owners[account]
	if !ok {
		return hermod.Owner{}, fmt.Errorf("there is no account %s; hermod provision makes one", account)
	}
	return owner, nil
}

func createKey(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("keys create")
	where := placeFlags(f)
	account := f.String("account", "", "`account` it acts for")
	name := f.String("name", "", "`name` for people, 3 to 64 characters")
	kind := f.String("type", "apiKey", "apiKey, client for an OAuth client, or one of another API: "+dialectTypes())
	scopes := f.String("scopes", hermod.ScopePublish, "scopes it holds, a comma `list` of "+strings.Join(auth.Scopes(), ", "))
	more := dialectFlags(f)
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	credential := hermod.Credential{Account: *account, Name: *name, Scopes: strings.Split(*scopes, ",")}
	if err := more.check(f, *kind, &credential); err != nil {
		return err
	}
	if err := check(credential, *kind); err != nil {
		return err
	}
	store, end, err := where.openExisting(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	owner, err := ownerOf(ctx, store, *account)
	if err != nil {
		return err
	}
	credential.Organization = owner.Organization
	registry := &auth.Registry{Store: store, Now: time.Now, Random: randomBytes}
	if err := c.create(ctx, registry, *kind, more, credential); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "\nThe secret is shown this once; only its hash is kept.")
	return nil
}

// create makes a credential of the type and shows it.
func (c *console) create(ctx context.Context, registry *auth.Registry, kind string, more *dialectKey, credential hermod.Credential) error {
	switch kind {
	case "client":
		made, err := registry.CreateClient(ctx, credential)
		if err != nil {
			return err
		}
		clientID, _ := auth.ClientID(made.ID)
		fmt.Fprintf(c.out, "id %s\nclient %s\nsecret %s\n", made.ID, clientID, made.Secret)
	case "apiKey":
		made, err := registry.CreateAPIKey(ctx, credential)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "id %s\nkey %s\n", made.ID, made.Secret)
	default:
		return c.createDialect(ctx, registry, kind, more, credential)
	}
	return nil
}

func check(c hermod.Credential, kind string) error {
	switch n := len([]rune(c.Name)); {
	case c.Account == "":
		return errors.New("-account is required")
	case n < 3 || n > 64:
		return errors.New("-name is required, with 3 to 64 characters")
	case isDialect(kind):
		return nil
	case kind != "client" && kind != "apiKey":
		return fmt.Errorf("-type %q: want apiKey, client or %s", kind, dialectTypes())
	}
	for _, scope := range c.Scopes {
		if !slices.Contains(auth.Scopes(), scope) {
			return fmt.Errorf("-scopes: no scope %q: want some of %s", scope, strings.Join(auth.Scopes(), ", "))
		}
	}
	return nil
}

func rotateKeys(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("keys rotate")
	where := placeFlags(f)
	use := f.String("use", "access", "what it signs: access, for tokens, or universign, for its webhooks")
	kmsKey := f.String("kms-key", c.env("HERMOD_KMS_KEY", ""), "with -table, the KMS `key` that seals secrets (HERMOD_KMS_KEY)")
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	i := slices.IndexFunc(uses(), func(u keyUse) bool { return u.name == *use })
	if i < 0 {
		return fmt.Errorf("-use %q: want access or universign", *use)
	}
	store, end, err := where.openExisting(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	sealer, err := where.sealer(ctx, c, store, *kmsKey)
	if err != nil {
		return err
	}
	set := &auth.Keys{Store: store, Sealer: sealer, Use: uses()[i].use, Prefix: uses()[i].prefix, Now: time.Now}
	signs, err := set.Rotate(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "a new key is published; it signs from %s on\n", moment(signs))
	return nil
}

// parse parses flags and at most so many arguments after them. What is wrong is one
// line; the usage is for those who ask.
func (c *console) parse(f *flag.FlagSet, args []string, most int) error {
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(c.err)
		f.Usage()
	}
	if err == nil && f.NArg() > most {
		return fmt.Errorf("unexpected %q", f.Arg(most))
	}
	return err
}
