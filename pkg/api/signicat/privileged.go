package signicat

import (
	"reflect"
	"slices"

	"hermod/pkg/hermod"
)

// guard forbids to change a subscription that receives more than its owner's
// ordinary events to whoever lacks the scope for it: a new URL or filter would have
// those events sent elsewhere. What lets less through is anybody's: to switch the
// subscription off, its internal events, and its translating.
func (f *fields) guard(before, after *hermod.Subscription, p *hermod.Principal) {
	less := *before
	less.Active = before.Active && after.Active
	less.IncludeInternal = before.IncludeInternal && after.IncludeInternal
	less.Translate = before.Translate && after.Translate
	if sameSubscription(&less, after) {
		*after = less // so that what is written is what was compared
		return
	}
	if before.IncludeInternal && after.IncludeInternal {
		f.needs(p, hermod.ScopeInternal)
	}
	if before.Global {
		f.needs(p, hermod.ScopeGlobal)
	}
}

// sameSubscription reports whether the two are the same in all that a body says.
func sameSubscription(a, b *hermod.Subscription) bool {
	return a.Name == b.Name && a.Active == b.Active && a.Type == b.Type &&
		slices.Equal(a.Filters, b.Filters) && slices.Equal(a.Tags, b.Tags) &&
		a.IncludeInternal == b.IncludeInternal && a.Global == b.Global && a.Translate == b.Translate &&
		a.Signing == b.Signing && a.Format == b.Format && a.RateLimit == b.RateLimit && a.ExpiresAt.Equal(b.ExpiresAt) &&
		a.Secrets.SameSigning(b.Secrets) && sameJSON(a.Secrets.Configuration, b.Secrets.Configuration)
}

// sameJSON compares values, not how they are written.
func sameJSON(a, b []byte) bool {
	av, errA := decodeNumbers(a)
	bv, errB := decodeNumbers(b)
	return errA == nil && errB == nil && reflect.DeepEqual(av, bv)
}
