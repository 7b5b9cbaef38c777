package push

import (
	"net/http"
	"net/url"
	"strings"

	"hermod/pkg/hermod"
)

// googleIdentity is the workloadIdentity of a GooglePubSub.
type googleIdentity struct {
	// Provider is the provider of a workload identity pool that trusts Hermod's issuer:
	// projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER,
	// also with //iam.googleapis.com/ before it. Audience is another name of it.
	Provider string `json:"provider"`
	Audience string `json:"audience"`
	// ServiceAccountEmail is an account to act as; "" where the pool's principals may
	// publish themselves.
	ServiceAccountEmail string `json:"serviceAccountEmail"`
}

// The hosts and scopes of Google's workload identity federation.
const (
	googleIAM      = "//iam.googleapis.com/"
	googleSTS      = "https://sts.googleapis.com/v1/token"
	googleAccounts = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
	scopePubsub    = "https://www.googleapis.com/auth/pubsub"
	scopePlatform  = "https://www.googleapis.com/auth/cloud-platform"
)

// provider gives the provider's full name, which is the audience of the exchange.
func (g *googleIdentity) provider(f *faults) string {
	member, name := identityField+".provider", g.Provider
	switch {
	case name == "":
		member, name = identityField+".audience", g.Audience
	case g.Audience != "" && g.Audience != name:
		f.add(identityField+".audience", "must be what provider names")
	}
	if name == "" {
		f.add(identityField+".provider", "is required")
		return ""
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https:"), googleIAM)
	if !validProvider(name) {
		f.add(member, "must be projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER")
		return ""
	}
	return googleIAM + name
}

func validProvider(name string) bool {
	parts := strings.Split(name, "/")
	return len(parts) == 8 && parts[0] == "projects" && parts[2] == "locations" && parts[3] == "global" &&
		parts[4] == "workloadIdentityPools" && parts[6] == "providers" &&
		madeOf(parts[1], 1, 20, "0123456789") && validPoolID(parts[5]) && validPoolID(parts[7])
}

// validPoolID reports whether a pool or a provider can have the id.
func validPoolID(id string) bool { return madeOf(id, 4, 32, "abcdefghijklmnopqrstuvwxyz0123456789-") }

func madeOf(text string, least, most int, characters string) bool {
	return len(text) >= least && len(text) <= most && strings.Trim(text, characters) == ""
}

// checkServiceAccount keeps the address to what stands in a path as it is.
func (g *googleIdentity) checkServiceAccount(f *faults) {
	const characters = "abcdefghijklmnopqrstuvwxyz0123456789-.:"
	name, domain, ok := strings.Cut(g.ServiceAccountEmail, "@")
	if g.ServiceAccountEmail != "" && (!ok || !madeOf(name, 1, 64, characters) || !madeOf(domain, 1, 253, characters)) {
		f.add(identityField+".serviceAccountEmail", "must be the address of a service account")
	}
}

// federate makes what gets access tokens for a subscription.
func (g *googleIdentity) federate(f federation, ref hermod.Ref, provider string) *federation {
	scope := scopePubsub
	if g.ServiceAccountEmail != "" {
		scope = scopePlatform
		f.next = func(token string) tokenExchange {
			return tokenExchange{
				url:    googleAccounts + g.ServiceAccountEmail + ":generateAccessToken",
				header: jsonHeader("Bearer " + token), body: []byte(`{"scope":["` + scopePubsub + `"],"lifetime":"3600s"}`),
			}
		}
	}
	// A provider without audiences of its own takes its own name with https: before it.
	f.ref, f.audience = ref, "https:"+provider
	f.first = func(assertion string) tokenExchange {
		return formExchange(googleSTS, url.Values{
			"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
			"subject_token_type":   {"urn:ietf:params:oauth:token-type:jwt"},
			"subject_token":        {assertion}, "audience": {provider}, "scope": {scope},
		})
	}
	return &f
}

func jsonHeader(authorization string) http.Header {
	return http.Header{"Authorization": {authorization}, "Content-Type": {"application/json"}}
}
