package main

import (
	"fmt"

	"hermod/pkg/api/auth"
	"hermod/pkg/provision"
)

// welcome prints where the node is, and who of those that everybody knows may call it, with a
// command that works as it is pasted.
func (c *console) welcome(base, data string, known provision.Known) {
	fmt.Fprintf(c.out, "hermod ready %s\n\n", base)
	if len(known.Clients) == 0 {
		fmt.Fprintf(c.out, "  Credentials: hermod keys list -data %s -account ACCOUNT\n", data)
		fmt.Fprintf(c.out, "  A first one: hermod provision -data %s -client NAME -account ACCOUNT, while the node is stopped\n", data)
		return
	}
	for _, client := range known.Clients {
		fmt.Fprintf(c.out, "  client %s / %s   account %s", client.ID, client.Secret, client.Account)
		if client.Organization != "" {
			fmt.Fprintf(c.out, "   organization %s", client.Organization)
		}
		fmt.Fprintln(c.out)
	}
	local := known.Clients[0]
	c.dialects(base, local.Account, known.Secrets)
	fmt.Fprintf(c.out, `
Publish an event:

  curl -sS %[1]s/events-management/events -H 'Content-Type: application/json' \
    -H "Authorization: Bearer $(curl -sS %[1]s/auth/open/connect/token -d grant_type=client_credentials \
      -d client_id=%[2]s -d client_secret=%[3]s | sed 's/.*"access_token":"\([^"]*\)".*/\1/')" \
    -d '{"sender":"signature-api","eventName":"order.completed","eventData":{"orderId":"o-1"}}'

See it arrive: run "go run ./cmd/hermod listen" in another terminal first.
`, base, local.ID, local.Secret)
}

// dialects prints how the account calls the other APIs.
func (c *console) dialects(base, account string, secrets []provision.Secret) {
	fmt.Fprintln(c.out)
	of := map[auth.Kind]provision.Secret{}
	for _, s := range secrets {
		if s.Account == account {
			of[s.Kind] = s
		}
	}
	if s, ok := of[auth.SignlyKey]; ok {
		fmt.Fprintf(c.out, "  Signly      %s/signly       tenant %s   X-Auth-Signly %s\n", base, s.Tenant, s.Secret)
	}
	if login, ok := of[auth.TeliaLogin]; ok {
		fmt.Fprintf(c.out, "  Telia Sign  %s/hooks/v1     tenant %s   login %s / %s   subscription key %s\n",
			base, login.Tenant, login.Login, login.Secret, of[auth.TeliaKey].Secret)
	}
	if s, ok := of[auth.UniversignKey]; ok {
		fmt.Fprintf(c.out, "  Universign  %s/universign   API key %s\n", base, s.Secret)
	}
}
