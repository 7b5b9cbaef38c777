package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/sign"
)

// listen receives deliveries on this machine: it subscribes, prints each delivery
// with whether its signature is right, and unsubscribes at the end.
func listen(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("listen")
	flags := c.clientFlags(f)
	addr := f.String("addr", "127.0.0.1:0", "address to receive on")
	filter := f.String("filter", "*", "events to receive: sender:name, sender:* or *")
	status := f.Int("status", http.StatusOK, "status to answer with, to see retries")
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // it never fails: see crypto/rand.Read
	hook := &hook{c: c, secret: hex.EncodeToString(secret), status: *status}
	server := &http.Server{Handler: hook, ReadHeaderTimeout: requestTimeout}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		err = errors.Join(err, server.Shutdown(ending))
	}()

	cl, err := login(ctx, flags)
	if err != nil {
		return err
	}
	id, err := cl.subscribe(ctx, "http://"+listener.Addr().String(), *filter, hook.secret)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "listening on http://%s as subscription %s; Ctrl-C ends it\n", listener.Addr(), id)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	return errors.Join(err, cl.call(ending, http.MethodDelete, signicat.Base+"/subscriptions/"+id, "", nil, nil))
}

func (cl *client) subscribe(ctx context.Context, target, filter, secret string) (id string, err error) {
	var answer struct{ ID string }
	err = cl.json(ctx, http.MethodPost, signicat.Base+"/subscriptions", map[string]any{
		"name": "hermod listen", "type": "Webhook",
		"typeConfiguration": map[string]string{"url": target},
		"eventNameFilter":   []string{filter},
		"messageAuthentication": map[string]any{
			"authenticationType": "HmacSha256", "hmacSha256": map[string]string{"secret": secret},
		},
	}, &answer)
	if err != nil {
		return "", fmt.Errorf("subscribing: %w", err)
	}
	return answer.ID, nil
}

// A hook prints the deliveries it gets.
type hook struct {
	c      *console
	secret string
	status int
}

// maxDelivery bounds what a delivery may have: an event and its envelope.
const maxDelivery = 1 << 20

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	if err != nil {
		http.Error(w, "could not read the body", http.StatusBadRequest)
		return
	}
	signature := "signature WRONG"
	if hmac.Equal([]byte(r.Header.Get(signicat.DefaultSignatureHeader)), []byte(sign.HMACHex(h.secret, body))) {
		signature = "signature ok"
	}
	fmt.Fprintf(h.c.out, "%s  %s  %s\n%s\n", time.Now().Format(time.TimeOnly), signature, r.Header.Get("X-Signicat-Delivery-Attempt-Id"), body)
	w.WriteHeader(h.status)
}
