package signicat

import (
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"hermod/pkg/api/input"
	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

// subscriptionInput is the body of a create or an update.
type subscriptionInput input.Members

func readSubscription(r *http.Request) (subscriptionInput, error) {
	in, err := readMembers(r, maxSubscription, "name", "active", "type", "typeConfiguration", "eventNameFilter", "tagFilter",
		"messageAuthentication", "expiresAt", "ownerId", "includeInternalEvents", "isGlobalSubscription", "translate", "outputFormat", "rateLimit")
	return subscriptionInput(in), err
}

// The bounds of what a subscription may say.
const (
	minName, maxName     = 3, 64
	maxFilters           = 200
	maxConfigurationSize = 16 << 10
	maxSecret            = 1024
	maxSubscription      = 256 << 10 // bytes of the whole body
)

// A writer is who writes a subscription, and with what.
type writer struct {
	principal *hermod.Principal
	targets   subscription.Targets
	random    func([]byte)
}

// create reads a new subscription into s.
func (in subscriptionInput) create(s *hermod.Subscription, w writer) error {
	f := fieldsOf(input.Members(in))
	f.Required("name", "type", "typeConfiguration")
	f.name(s)
	if f.Read("type", &s.Type, "a string") && s.Type == "" {
		f.Fail("type", "must not be empty")
	}
	f.common(s, w)
	f.authentication(s, w.random)
	f.format(s)
	return f.err()
}

// update reads a change into s and reports whether it made a secret. What is null
// or absent: name, active, translate, outputFormat and the privileged members stay; filters, signing
// and end are removed. An absent rateLimit stays, and null removes it.
func (in subscriptionInput) update(s *hermod.Subscription, w writer) (revealed bool, err error) {
	f := fieldsOf(input.Members(in))
	before := *s
	f.Required("type", "typeConfiguration")
	f.name(s)
	var kind string
	if f.Read("type", &kind, "a string") && kind != s.Type {
		f.Fail("type", "may not be changed")
	}
	if f.Read("active", &s.Active, "true or false") && s.Active {
		s.DisabledReason = ""
	}
	f.common(s, w)
	revealed = f.authentication(s, w.random)
	f.format(s)
	f.guard(&before, s, w.principal)
	return revealed, f.err()
}

func (f *fields) name(s *hermod.Subscription) {
	if !f.Read("name", &s.Name, "a string") {
		return
	}
	if n := utf8.RuneCountInString(s.Name); n < minName || n > maxName {
		f.Fail("name", fmt.Sprintf("must be between %d and %d characters", minName, maxName))
	}
}

// ownerMember refuses an ownerId that contradicts the owner of the request.
func (f *fields) ownerMember(s *hermod.Subscription) {
	var owner string
	if f.Read("ownerId", &owner, "a string") && owner != s.Owner {
		f.Fail("ownerId", "must be the owner that the request names")
	}
}

// common reads what create and update share.
func (f *fields) common(s *hermod.Subscription, w writer) {
	f.filters(s)
	f.tags(s)
	f.expires(s)
	f.internal(s, w.principal)
	f.global(s, w.principal)
	f.Read("translate", &s.Translate, "true, false or null")
	f.rateLimit(s)
	f.ownerMember(s)
	f.configuration(s, w.targets)
}

// rateLimit reads how many deliveries may begin a second.
func (f *fields) rateLimit(s *hermod.Subscription) {
	if f.Null("rateLimit") {
		s.RateLimit = 0
	}
	if limit, ok := f.Whole("rateLimit", 1, hermod.MaxRateLimit, ", or null"); ok {
		s.RateLimit = limit
	}
}

// configuration reads where to push. A mask that an answer showed in a secret's
// place keeps the secret, so that what was read can be written back.
func (f *fields) configuration(s *hermod.Subscription, targets subscription.Targets) {
	if !f.Given("typeConfiguration") || s.Type == "" {
		return
	}
	raw, err := unmask(f.Members["typeConfiguration"], s.Secrets.Configuration)
	if err != nil {
		f.Fail("typeConfiguration", err.Error())
		return
	}
	if len(raw) > maxConfigurationSize {
		f.Fail("typeConfiguration", fmt.Sprintf("must have at most %d bytes", maxConfigurationSize))
		return
	}
	if err := targets.Check(s.Type, raw); err != nil {
		if e, ok := errors.AsType[*hermod.Error](err); ok && len(e.Fields) > 0 {
			f.Wrong = append(f.Wrong, e.Fields...)
		} else {
			f.Fail("typeConfiguration", err.Error())
		}
		return
	}
	s.Secrets.Configuration = raw
}

func (f *fields) filters(s *hermod.Subscription) {
	s.Filters = nil
	var filters []string
	if !f.Read("eventNameFilter", &filters, "an array of strings") {
		return
	}
	if len(filters) > maxFilters {
		f.Fail("eventNameFilter", fmt.Sprintf("must hold at most %d entries", maxFilters))
		return
	}
	for i, text := range filters {
		pattern, ok := hermod.ParsePattern(text)
		if !ok {
			f.Fail(fmt.Sprintf("eventNameFilter[%d]", i), "must be sender:name, sender:* or *")
			continue
		}
		s.Filters = append(s.Filters, pattern)
	}
}

func (f *fields) tags(s *hermod.Subscription) {
	s.Tags = nil
	if !f.Read("tagFilter", &s.Tags, "an array of strings") {
		return
	}
	if len(s.Tags) > hermod.MaxTags {
		f.Fail("tagFilter", fmt.Sprintf("must hold at most %d tags", hermod.MaxTags))
		return
	}
	for i, tag := range s.Tags {
		if n := utf8.RuneCountInString(tag); n < 1 || n > hermod.MaxTag {
			f.Fail(fmt.Sprintf("tagFilter[%d]", i), fmt.Sprintf("must be 1 to %d characters", hermod.MaxTag))
		}
	}
}

func (f *fields) expires(s *hermod.Subscription) {
	s.ExpiresAt = time.Time{}
	var text string
	if !f.Read("expiresAt", &text, "a string") {
		return
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		f.Fail("expiresAt", "must be an RFC 3339 date and time, such as 2026-01-31T09:30:00Z")
		return
	}
	s.ExpiresAt = t.UTC()
}

// internal reads whether events of internal types are let through. Switching that
// on takes a scope, and guard says what does once it is on.
func (f *fields) internal(s *hermod.Subscription, p *hermod.Principal) {
	before := s.IncludeInternal
	if f.Read("includeInternalEvents", &s.IncludeInternal, "true, false or null") && s.IncludeInternal && !before {
		f.needs(p, hermod.ScopeInternal)
	}
}

// global reads whether the events of every owner are received, which is settled
// when a subscription is created. A new one has no id yet.
func (f *fields) global(s *hermod.Subscription, p *hermod.Principal) {
	on := s.Global
	if !f.Read("isGlobalSubscription", &on, "true, false or null") || on == s.Global {
		return
	}
	if s.ID != "" {
		f.Fail("isGlobalSubscription", "may not be changed")
		return
	}
	if f.needs(p, hermod.ScopeGlobal); s.Owner != p.Account {
		f.Fail("isGlobalSubscription", "must be the account's, not an organization's")
		return
	}
	s.Global = on
}

// needs forbids it all to a principal without the scope.
func (f *fields) needs(p *hermod.Principal, scope string) {
	if !p.Has(scope) {
		f.forbidden = scope
	}
}
