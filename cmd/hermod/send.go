package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"hermod/pkg/hermod"
)

// send publishes one event.
func send(ctx context.Context, c *console, args []string) error {
	f := c.flags("send")
	flags := c.clientFlags(f)
	typ := f.String("type", "signature-api:order.completed", "type of the event, sender:name")
	data := f.String("data", "{}", "its data, any JSON")
	tags := f.String("tags", "", "its tags, a comma list")
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	sender, name, ok := hermod.ParseType(*typ)
	if !ok {
		return fmt.Errorf("-type %q: want sender:name", *typ)
	}
	if !json.Valid([]byte(*data)) {
		return fmt.Errorf("-data is not JSON")
	}
	cl, err := login(ctx, flags)
	if err != nil {
		return err
	}
	event := map[string]any{"sender": sender, "eventName": name, "eventData": json.RawMessage(*data)}
	if *tags != "" {
		event["tags"] = strings.Split(*tags, ",")
	}
	var answer struct {
		Data []struct{ ID, URL string }
	}
	if err := cl.json(ctx, http.MethodPost, "/events-management/events", event, &answer); err != nil {
		return err
	}
	for _, e := range answer.Data {
		fmt.Fprintln(c.out, e.ID, e.URL)
	}
	return nil
}
