package universign

import "hermod/pkg/hermod"

// A role is what an API key may do in its workspace. What a role is called is known
// (wire facts, 2.1); that one is given when a key is created is ours.
type role string

const (
	roleOwner      role = "owner"
	roleAdmin      role = "admin"
	roleIntegrator role = "integrator"
	roleNone       role = "none"
)

// usualRole is that of a key that is created without one: inferred, as the
// documentation's example has none and its key is for the API.
const usualRole = roleIntegrator

// Roles are the roles with the scopes of each, the highest first: each holds the
// scopes of those after it.
func roles() []struct {
	role   role
	scopes []string
} {
	return []struct {
		role   role
		scopes []string
	}{
		{roleOwner, []string{
			hermod.ScopeUniversign, hermod.ScopeUniversignEvents, hermod.ScopeUniversignKeys, hermod.ScopeUniversignOwner,
		}},
		{roleAdmin, []string{hermod.ScopeUniversign, hermod.ScopeUniversignEvents, hermod.ScopeUniversignKeys}},
		{roleIntegrator, []string{hermod.ScopeUniversign, hermod.ScopeUniversignEvents}},
		{roleNone, []string{hermod.ScopeUniversign}},
	}
}

// ScopesOf are the scopes of a role, nil where there is no such role.
func ScopesOf(name string) []string {
	for _, r := range roles() {
		if string(r.role) == name {
			return r.scopes
		}
	}
	return nil
}

// roleOf is the highest role whose scopes are all held.
func roleOf(scopes []string) role {
	p := hermod.Principal{Scopes: scopes}
	for _, r := range roles() {
		if holdsAll(&p, r.scopes) {
			return r.role
		}
	}
	return roleNone
}

// holdsAll reports whether the principal holds every one of the scopes.
func holdsAll(p *hermod.Principal, scopes []string) bool {
	for _, scope := range scopes {
		if !p.Has(scope) {
			return false
		}
	}
	return true
}
