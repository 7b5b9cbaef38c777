package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"hermod/pkg/hermod"
)

// audit shows who changed what of an owner's configuration, the newest first.
func audit(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("audit")
	where := placeFlags(f)
	owner := f.String("account", "", "`account` or organization; "+hermod.EveryOwner+" for what is the deployment's own, such as signing keys")
	action := f.String("action", "", "only this `action`, such as subscription.deleted")
	target := f.String("target", "", "only changes of the thing with this `id`")
	most := f.Int("n", 100, "show so many")
	if err := c.parse(f, args, 0); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := checkAudit(*owner, hermod.ChangeAction(*action), *most); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	store, end, err := where.openExisting(ctx, c)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer func() { err = errors.Join(err, end()) }()
	if *owner != hermod.EveryOwner {
		if _, err := ownerOf(ctx, store, *owner); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "TIME\tACTION\tTARGET\tACTOR\tMEMBERS\tTRACE")
	q := hermod.ChangeQuery{Owner: *owner, Action: hermod.ChangeAction(*action), Target: *target}
	for left := *most; left > 0; {
		q.Limit = left
		page, err := store.Changes(ctx, q)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		for _, row := range page.Changes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", moment(row.ID.Time()), row.Action, cmp.Or(row.Target, "-"),
				cmp.Or(row.Actor.Credential, string(row.Actor.Kind)), cmp.Or(strings.Join(row.Members, ","), "-"), cmp.Or(row.Actor.Trace, "-"))
		}
		left -= len(page.Changes)
		if q.Below = page.Next; q.Below.IsZero() {
			break
		}
	}
	return w.Flush()
}

// checkAudit checks what is asked for.
func checkAudit(owner string, action hermod.ChangeAction, most int) error {
	switch {
	case owner == "":
		return errors.New("-account is required")
	case most < 1:
		return fmt.Errorf("-n %d: want 1 or more", most)
	case action != "" && !slices.Contains(hermod.ChangeActions(), action):
		var names []string
		for _, a := range hermod.ChangeActions() {
			names = append(names, string(a))
		}
		return fmt.Errorf("-action %q: want one of %s", action, strings.Join(names, ", "))
	default:
		return nil
	}
}
