package push

import (
	"net/url"
	"strings"

	"hermod/pkg/hermod"
)

// azureIdentity is the workloadIdentity of an AzureServiceBus: an application of
// Microsoft Entra ID with a federated credential that trusts Hermod's issuer.
type azureIdentity struct {
	TenantID string `json:"tenantId"` // a GUID, or a domain of the tenant's
	ClientID string `json:"clientId"` // of the application
}

// The parts of the public cloud's federation (Microsoft identity platform, "Access
// token request with a federated credential").
const (
	azureLogin    = "https://login.microsoftonline.com/"
	azureAudience = "api://AzureADTokenExchange"
	azureScope    = "https://servicebus.azure.net/.default"
)

func (a *azureIdentity) check(f *faults) {
	if !validGUID(a.TenantID) && (!validName(strings.ToLower(a.TenantID)) || !strings.Contains(a.TenantID, ".")) {
		f.add(identityField+".tenantId", "must be the id of a tenant, or a domain of it")
	}
	if !validGUID(a.ClientID) {
		f.add(identityField+".clientId", "must be the id of an application: 8-4-4-4-12 hexadecimal digits")
	}
}

func validGUID(id string) bool {
	const digits = "0123456789abcdefABCDEF"
	parts := strings.Split(id, "-")
	if len(parts) != 5 {
		return false
	}
	for i, n := range []int{8, 4, 4, 4, 12} {
		if !madeOf(parts[i], n, n, digits) {
			return false
		}
	}
	return true
}

// azureNamespace gives the host of a namespace, named by itself or in full. Only the
// public cloud's are federated.
func azureNamespace(name string, f *faults) string {
	host := strings.ToLower(name)
	if !strings.Contains(host, ".") {
		host += azureClouds[0]
	}
	namespace, ok := strings.CutSuffix(host, azureClouds[0])
	switch {
	case name == "":
		f.add("namespace", "is required")
	case !ok || strings.Contains(namespace, ".") || !validName(host):
		f.add("namespace", "must be the name of a namespace, or NAMESPACE"+azureClouds[0])
	}
	return host
}

// federate makes what gets access tokens for a subscription.
func (a *azureIdentity) federate(f federation, ref hermod.Ref) *federation {
	f.ref, f.audience = ref, azureAudience
	f.first = func(assertion string) tokenExchange {
		return formExchange(azureLogin+a.TenantID+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {a.ClientID}, "scope": {azureScope},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
		})
	}
	return &f
}
