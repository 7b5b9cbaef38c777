package signly

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/api/subscription"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// Targets judges destinations, and tries to reach them.
type Targets interface {
	subscription.Targets
	// Probe says what a push would meet, without an event. A finding failed where the
	// destination gave no answer; any answer of HTTP will do. Nothing in the findings
	// is secret.
	Probe(ctx context.Context, s *hermod.Subscription) []deliver.Finding
}

// Webhooks are the webhooks of tenants.
type Webhooks struct {
	Store   subscription.Store
	Targets Targets
	// Pusher delivers tests.
	Pusher  deliver.Pusher
	Cursors api.Cursors
	Now     func() time.Time
	NewID   func() hermod.ID
}

// maxReach bounds the check that a new webhook can be reached (inferred).
const maxReach = 3 * time.Second

// idPrefix begins the ids of webhooks; a ULID follows.
const idPrefix = "wh_"

// Routes are the rows of the webhooks.
func (h *Webhooks) Routes() []api.Route {
	const list, one = Base + "/v1/webhooks", Base + "/v1/webhooks/{webhookId}"
	row := func(method, path string, handler api.ScopedHandler) api.Route {
		return api.Route{Method: method, Path: path, Resource: resource, Access: api.Scoped(hermod.ScopeSignly, handler)}
	}
	return []api.Route{
		row(http.MethodGet, list, h.list),
		row(http.MethodPost, list, h.create),
		row(http.MethodGet, one, h.read),
		row(http.MethodPut, one, h.update),
		row(http.MethodPut, one+"/status", h.setStatus),
		row(http.MethodPost, one+"/test", h.test),
		row(http.MethodDelete, one, h.remove),
	}
}

// resource names the function that serves the dialect.
const resource = "signly"

// What the answers to webhooks say.
var (
	listed        = said{http.StatusOK, "webhooks_listed", "Webhooks listed."}
	created       = said{http.StatusCreated, "webhook_created", "Webhook created."}
	fetched       = said{http.StatusOK, "webhook_fetched", "Webhook fetched."}
	updated       = said{http.StatusOK, "webhook_updated", "Webhook updated."}
	switchedOff   = said{http.StatusOK, "webhook_status_updated", "Webhook disabled."}
	switchedOn    = said{http.StatusOK, "webhook_status_updated", "Webhook enabled."} // inferred
	testDelivered = said{http.StatusOK, "webhook_test_sent", "Test event delivered."}
	testFailed    = said{http.StatusOK, "webhook_test_sent", "Test event could not be delivered."} // inferred
	deleted       = said{http.StatusOK, "webhook_deleted", "Webhook deleted."}                     // inferred
)

// A summary is a webhook in lists, and when it has been created.
type summary struct {
	WebhookID string `json:"webhookId"`
	URL       string `json:"url"`
	Status    string `json:"status"`
	Version   int64  `json:"version"`
}

// A changed webhook is what is told of it after a change.
type changed struct {
	WebhookID string `json:"webhookId"`
	Status    string `json:"status"`
	Version   int64  `json:"version"`
}

// A webhook is all that is shown of it. The vendor's sample has the first five; of the
// rest, header values and the signing secret are never among them.
type webhook struct {
	WebhookID     string   `json:"webhookId"`
	URL           string   `json:"url"`
	Status        string   `json:"status"`
	Events        []string `json:"events"`
	Version       int64    `json:"version"`
	Description   *string  `json:"description"`
	Retries       retries  `json:"retries"`
	HTTPTimeoutMs int64    `json:"httpTimeoutMs"`
	Translate     bool     `json:"translate"`
	CreatedAt     string   `json:"createdAt"`
	UpdatedAt     string   `json:"updatedAt"`
}

func webhookOf(s *hermod.Subscription, set settings) webhook {
	w := webhook{
		WebhookID: s.ID, URL: set.URL, Status: statusOf(s), Events: []string{}, Version: s.Version, Retries: retriesOf(s),
		HTTPTimeoutMs: set.timeoutMs(), Translate: s.Translate, CreatedAt: instant(s.CreatedAt), UpdatedAt: instant(s.UpdatedAt),
	}
	if s.Description != "" {
		w.Description = &s.Description
	}
	for _, p := range s.Filters {
		w.Events = append(w.Events, nameOf(p))
	}
	return w
}

func (h *Webhooks) create(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	in, err := readWebhook(r)
	if err != nil {
		return err
	}
	s := h.keeper().New(p.Account, p.Tenant)
	s.Type = hermod.Webhook
	if err := create(in, s, h.Targets); err != nil {
		return err
	}
	set, err := settingsOf(s)
	if err != nil {
		return err
	}
	if err := h.reach(r.Context(), s, set); err != nil {
		return err
	}
	if err := h.keeper().Create(r.Context(), s, func() string { return idPrefix + h.NewID().ULID() }); err != nil {
		return err
	}
	return answer(w, r, h.Now(), created, summary{s.ID, set.URL, statusOf(s), s.Version}, nil)
}

// reach makes the short connectivity check: one HEAD, under the rules of a delivery
// (that it is a HEAD, and what it takes to pass, is inferred). What the endpoint says to
// one without an event is its own affair.
func (h *Webhooks) reach(ctx context.Context, s *hermod.Subscription, set settings) error {
	set.Timeout = min(set.Timeout, maxReach.Seconds())
	brief := *s
	brief.Version = 0 // it is not stored, and its timeout is not the one to remember
	var err error
	if brief.Secrets.Configuration, err = json.Marshal(set); err != nil {
		return fmt.Errorf("writing the configuration of a webhook: %w", err)
	}
	for _, finding := range h.Targets.Probe(ctx, &brief) {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("reaching a new webhook: %w", err)
		}
		if finding.Verdict == deliver.Failed {
			return errUnreachable(withoutQuery(set.URL), sentence(finding.Message))
		}
	}
	return nil
}

// withoutQuery is a URL as far as it is no secret. The target policy lets none with
// userinfo pass.
func withoutQuery(url string) string {
	shown, _, _ := strings.Cut(url, "?")
	return shown
}

// find reads the webhook that the path names. One that is another tenant's, another
// dialect's or deleted does not exist.
func (h *Webhooks) find(r *http.Request, p *hermod.Principal) (*hermod.Subscription, error) {
	id := r.PathValue("webhookId")
	ulid, ok := strings.CutPrefix(id, idPrefix)
	if _, err := hermod.ParseULID(ulid); err != nil || !ok {
		return nil, errNoWebhook(id)
	}
	return subscription.Find(r.Context(), h.Store, hermod.Ref{Owner: p.Account, ID: id}, shownTo(p), errNoWebhook(id))
}

// shownTo selects the webhooks of the principal's tenant.
func shownTo(p *hermod.Principal) subscription.Filter {
	return subscription.LiveOf(hermod.Signly, p.Tenant)
}

func (h *Webhooks) read(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	s, err := h.find(r, p)
	if err != nil {
		return err
	}
	set, err := settingsOf(s)
	if err != nil {
		return err
	}
	return answer(w, r, h.Now(), fetched, webhookOf(s, set), nil)
}

func (h *Webhooks) update(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	in, err := readWebhook(r)
	if err != nil {
		return err
	}
	expected, err := expectedVersion(r)
	if err != nil {
		return err
	}
	s, err := h.change(r, p, expected, func(s *hermod.Subscription) error { return update(in, s, h.Targets) })
	if err != nil {
		return err
	}
	return answer(w, r, h.Now(), updated, changed{s.ID, statusOf(s), s.Version}, nil)
}

func (h *Webhooks) setStatus(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	in, err := readObject(r, "status")
	if err != nil {
		return err
	}
	expected, err := expectedVersion(r)
	if err != nil {
		return err
	}
	s, err := h.change(r, p, expected, func(s *hermod.Subscription) error {
		f := &fields{input.Fields{Members: in}}
		f.Required("status")
		f.status(s)
		return f.Err()
	})
	if err != nil {
		return err
	}
	says := switchedOn
	if !s.Active {
		says = switchedOff
	}
	return answer(w, r, h.Now(), says, changed{s.ID, statusOf(s), s.Version}, nil)
}

func (h *Webhooks) remove(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	s, err := h.change(r, p, anyVersion, h.keeper().Delete)
	if err != nil {
		return err
	}
	type gone struct {
		WebhookID string `json:"webhookId"`
	}
	return answer(w, r, h.Now(), deleted, gone{s.ID}, nil)
}

// change changes the webhook that the path names. Of two writers who expect the same
// version the store lets one win, and the other hears that the version is stale. One who
// expects none tries again.
func (h *Webhooks) change(r *http.Request, p *hermod.Principal, expected int64, apply func(*hermod.Subscription) error) (*hermod.Subscription, error) {
	find := func() (*hermod.Subscription, error) { return h.find(r, p) }
	return h.keeper().Change(r.Context(), find, func(s *hermod.Subscription) error {
		// A precondition counts for what would succeed without it (RFC 9110, 13.2.1).
		if err := apply(s); err != nil {
			return err
		}
		if expected != anyVersion && expected != s.Version {
			return errStale(expected)
		}
		return nil
	})
}

func (h *Webhooks) keeper() subscription.Keeper {
	return subscription.Keeper{
		Dialect: hermod.Signly, Store: h.Store, Targets: h.Targets, URL: "url", Now: h.Now, Busy: "the webhook is being changed by others; try again",
	}
}
