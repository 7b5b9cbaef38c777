package e2e

import (
	"testing"

	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

const (
	otherTenant   = "22222222-2222-4222-8222-222222222222"
	siblingTenant = "33333333-3333-4333-8333-333333333333"
)

// sibling is another tenant of the local account, in each dialect that has tenants.
const sibling = "sibling"

// Siblings are its credentials, which a target must have.
func Siblings() []provision.Secret {
	signly, telia := []string{hermod.ScopeSignly}, []string{hermod.ScopeTeliaSign}
	return []provision.Secret{
		{Kind: auth.SignlyKey, Secret: "sk_" + sibling, Account: localAccount, Tenant: siblingTenant, Scopes: signly},
		{Kind: auth.TeliaLogin, Login: sibling, Secret: sibling + "-secret", Account: localAccount, Tenant: siblingTenant, Scopes: telia},
		{Kind: auth.TeliaKey, Secret: sibling + "-key", Account: localAccount, Tenant: siblingTenant, Scopes: telia},
		{Kind: auth.UniversignKey, Secret: "apikey_" + sibling, Account: localAccount, Tenant: "wsp_" + sibling, Scopes: universign.ScopesOf("owner")},
	}
}

// byStrangers runs a test of isolation as the tenant of another account, and as another
// one of the same.
func byStrangers(test func(t *testing.T, target Target, stranger string)) func(*testing.T, Target) {
	return func(t *testing.T, target Target) {
		for _, stranger := range []string{"other", sibling} {
			t.Run(stranger, func(t *testing.T) { test(t, target, stranger) })
		}
	}
}

// tenants are what Signly and Telia Sign call the accounts of the clients.
func tenants() map[string]string {
	return map[string]string{"local": localTenant, "other": otherTenant, sibling: siblingTenant}
}
