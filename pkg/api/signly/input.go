package signly

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// The bounds of what a webhook may say. The vendor names none: they are inferred.
const (
	maxBody        = 64 << 10 // bytes of the whole body
	maxDescription = 500      // characters
	maxSecret      = 1024     // bytes
	maxEvents      = 100      // entries, repeated ones included
	minTimeout     = 500 * time.Millisecond
	maxTimeout     = 30 * time.Second
	defaultTimeout = 5 * time.Second
)

// The states of a webhook.
const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
)

func statusOf(s *hermod.Subscription) string {
	if s.Active {
		return enabled
	}
	return disabled
}

// settings are a webhook's destination, in the form that push reads.
type settings struct {
	// URL is as its owner wrote it.
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	// Timeout is in seconds.
	Timeout float64 `json:"timeout"`
}

func settingsOf(s *hermod.Subscription) (settings, error) {
	var set settings
	if err := json.Unmarshal(s.Secrets.Configuration, &set); err != nil {
		return set, fmt.Errorf("reading the configuration of webhook %s: %w", s.ID, err)
	}
	return set, nil
}

func (s settings) timeoutMs() int64 { return int64(math.Round(s.Timeout * 1000)) }

// readObject reads a body that must be JSON, and those of its members that count.
func readObject(r *http.Request, names ...string) (input.Members, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	return ingest.Members(body, names...)
}

func readBody(r *http.Request) ([]byte, error) {
	if api.MediaType(r) != "application/json" {
		return nil, api.ErrUnsupportedMediaType
	}
	return input.Body(r, maxBody)
}

// readWebhook reads the body of a create or an update.
func readWebhook(r *http.Request) (input.Members, error) {
	return readObject(r, "url", "events", "description", "customHeaders", "retries", "httpTimeoutMs", "status", "signingSecret", "translate")
}

// fields reads members of a webhook.
type fields struct{ input.Fields }

// create reads a new webhook into s. What is absent or null has its default.
func create(m input.Members, s *hermod.Subscription, targets subscription.Targets) error {
	f := &fields{input.Fields{Members: m}}
	f.Required("url", "events")
	set := settings{Timeout: defaultTimeout.Seconds()}
	readable := f.Read("url", &set.URL, "a string")
	f.retries(s)
	f.common(s, &set)
	if readable {
		f.check(set, targets)
	}
	return f.store(s, set)
}

// update reads a change into s. What is absent stays; null brings a member's default
// back, where it has one.
func update(m input.Members, s *hermod.Subscription, targets subscription.Targets) error {
	f := &fields{input.Fields{Members: m}}
	set, err := settingsOf(s)
	if err != nil {
		return err
	}
	for _, name := range []string{"url", "events", "status"} {
		if f.Null(name) {
			f.Fail(name, "must not be null")
		}
	}
	var url string
	if f.Read("url", &url, "a string") && url != set.URL {
		f.Fail("url", "may not be changed") // the vendor lists no url among what can be edited (inferred)
	}
	f.status(s)
	if _, named := m["retries"]; named {
		f.retries(s)
	}
	f.common(s, &set)
	if f.Given("customHeaders") {
		f.check(set, targets)
	}
	return f.store(s, set)
}

// common reads what create and update share.
func (f *fields) common(s *hermod.Subscription, set *settings) {
	f.events(s)
	f.description(s)
	f.headers(set)
	f.timeout(set)
	f.signing(s)
	if f.Null("translate") {
		s.Translate = false
	}
	f.Read("translate", &s.Translate, "true, false or null")
}

func (f *fields) events(s *hermod.Subscription) {
	var list []string
	if !f.Read("events", &list, "an array of strings") {
		return
	}
	if len(list) == 0 || len(list) > maxEvents {
		f.Fail("events", fmt.Sprintf("must hold 1 to %d names of events", maxEvents))
		return
	}
	s.Filters = nil
	for i, name := range list {
		if !known(name) {
			f.Fail(fmt.Sprintf("events[%d]", i), "is not an event of the catalog")
		} else if p := patternOf(name); !slices.Contains(s.Filters, p) {
			s.Filters = append(s.Filters, p)
		}
	}
}

func (f *fields) description(s *hermod.Subscription) {
	if f.Null("description") {
		s.Description = ""
	}
	if f.Read("description", &s.Description, "a string or null") && utf8.RuneCountInString(s.Description) > maxDescription {
		f.Fail("description", fmt.Sprintf("must have at most %d characters", maxDescription))
	}
}

func (f *fields) headers(set *settings) {
	if f.Null("customHeaders") {
		set.Headers = nil
	}
	var headers map[string]*string
	if !f.Read("customHeaders", &headers, "an object of strings") {
		return
	}
	set.Headers = make(map[string]string, len(headers))
	for name, value := range headers {
		if value == nil {
			f.Fail("customHeaders", "must be an object of strings")
			return
		}
		set.Headers[name] = *value
	}
}

func (f *fields) timeout(set *settings) {
	if f.Null("httpTimeoutMs") {
		set.Timeout = defaultTimeout.Seconds()
	}
	if ms, ok := f.Whole("httpTimeoutMs", int(minTimeout.Milliseconds()), int(maxTimeout.Milliseconds()), ""); ok {
		set.Timeout = float64(ms) / 1000
	}
}

// retries reads the whole policy: what it leaves out has its default.
func (f *fields) retries(s *hermod.Subscription) {
	policy := defaultRetries()
	if f.Given("retries") {
		raw := f.Members["retries"]
		members, err := ingest.Members(raw, "maxAttempts", "backoff")
		if err != nil {
			f.Fail("retries", "must be an object with maxAttempts and backoff")
			return
		}
		in := input.Fields{Members: members}
		if attempts, ok := in.Whole("maxAttempts", 1, maxAttempts, ""); ok {
			policy.MaxAttempts = attempts
		}
		if in.Read("backoff", &policy.Backoff, "a string") && !slices.Contains([]string{exponential, linear, fixed}, policy.Backoff) {
			in.Fail("backoff", "must be exponential, linear or fixed")
		}
		for _, wrong := range in.Wrong {
			f.Fail("retries."+wrong.Name, wrong.Reason)
		}
		if len(in.Wrong) > 0 {
			return
		}
	}
	s.Schedule, s.Backoff = policy.schedule(), policy.Backoff
}

// signing reads the secret that deliveries are signed with, which is ours: the vendor
// signs none.
func (f *fields) signing(s *hermod.Subscription) {
	if f.Null("signingSecret") {
		s.Secrets.SigningSecret, s.Signing = "", hermod.Unsigned
	}
	var secret string
	if !f.Read("signingSecret", &secret, "a string or null") {
		return
	}
	if secret == "" || len(secret) > maxSecret {
		f.Fail("signingSecret", fmt.Sprintf("must be 1 to %d bytes", maxSecret))
		return
	}
	s.Secrets.SigningSecret, s.Signing = secret, hermod.HMACSHA256
}

// status reads the new state. What Hermod has switched off itself is forgotten when its
// owner switches it on.
func (f *fields) status(s *hermod.Subscription) {
	var status string
	if !f.Read("status", &status, "a string") {
		return
	}
	if status != enabled && status != disabled {
		f.Fail("status", "must be "+enabled+" or "+disabled)
		return
	}
	if s.Active = status == enabled; s.Active {
		s.DisabledReason = ""
	}
}

// check asks whether deliveries may go to the destination, in the words of this API.
func (f *fields) check(set settings, targets subscription.Targets) {
	raw, err := json.Marshal(set)
	if err == nil {
		err = targets.Check(hermod.Webhook, raw)
	}
	f.Wrong = append(f.Wrong, subscription.Refusals(err, "url", "customHeaders")...)
}

// store puts the destination into s, unless anything is wrong.
func (f *fields) store(s *hermod.Subscription, set settings) error {
	if err := f.Err(); err != nil {
		return err
	}
	raw, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("writing the configuration of a webhook: %w", err)
	}
	s.Secrets.Configuration = raw
	return nil
}

// anyVersion is the expected version of a request that expects none.
const anyVersion = 0

// expectedVersion reads If-Match: a bare whole number as the vendor has it, a quoted
// or a weak one as RFC 9110 has it, or * (tolerated: inferred). Without the header any
// version will do.
func expectedVersion(r *http.Request) (int64, error) {
	values := r.Header.Values("If-Match")
	if len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == "*" {
		return anyVersion, nil
	}
	text := strings.TrimPrefix(strings.TrimSpace(values[0]), "W/")
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	version, err := strconv.ParseInt(text, 10, 64)
	if err != nil || len(values) > 1 || version < 1 || strconv.FormatInt(version, 10) != text {
		return 0, hermod.InvalidFields(hermod.FieldError{Name: "If-Match", Reason: "must be the version of the webhook, such as 3, or *"})
	}
	return version, nil
}
