package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hermod/pkg/provision"
)

// A client calls the API of a Hermod as one of its OAuth clients.
type client struct {
	base  string
	id    string
	token string
	http  *http.Client
}

// clientFlags are the flags that say which Hermod is called, and as whom.
type clientFlags struct{ url, id, secret string }

func (c *console) clientFlags(f *flag.FlagSet) *clientFlags {
	local := provision.Local()[0]
	flags := &clientFlags{}
	f.StringVar(&flags.url, "url", c.env("HERMOD_URL", "http://"+c.env("HERMOD_ADDR", defaultAddr)), "where Hermod is (HERMOD_URL)")
	f.StringVar(&flags.id, "client", c.env("HERMOD_CLIENT", local.ID), "OAuth client (HERMOD_CLIENT)")
	f.StringVar(&flags.secret, "secret", c.env("HERMOD_SECRET", local.Secret), "its secret (HERMOD_SECRET)")
	return flags
}

// requestTimeout bounds one call.
const requestTimeout = 30 * time.Second

// login gets a token.
func login(ctx context.Context, flags *clientFlags) (*client, error) {
	cl := &client{base: strings.TrimSuffix(flags.url, "/"), id: flags.id, http: &http.Client{Timeout: requestTimeout}}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {flags.id}, "client_secret": {flags.secret}}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err := cl.call(ctx, http.MethodPost, "/auth/open/connect/token", "application/x-www-form-urlencoded", []byte(form.Encode()), &answer)
	if err != nil {
		return nil, fmt.Errorf("getting a token: %w", err)
	}
	cl.token = answer.AccessToken
	return cl, nil
}

// json calls with a JSON body.
func (cl *client) json(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	return cl.call(ctx, method, path, "application/json", body, out)
}

func (cl *client) call(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, cl.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", contentType)
	}
	if cl.token != "" {
		r.Header.Set("Authorization", "Bearer "+cl.token)
	}
	answer, err := cl.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, bytes.TrimSpace(text))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
