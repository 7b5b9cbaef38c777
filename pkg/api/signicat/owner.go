package signicat

import (
	"net/http"
	"slices"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// ownerOf is the owner a request is about: the organization or the account it
// names; the principal's account where it names none.
func ownerOf(r *http.Request, p *hermod.Principal) (string, error) {
	owners, err := ownersOf(r, p)
	if err != nil {
		return "", err
	}
	return owners[0], nil
}

// ownersOf are the owners a request may be about: the one it names, in the query or
// in a header, and all that the principal may act for where it names none. Names
// are matched without regard to case, as the clients of that API spell them in
// several ways; the organization wins where both are named, and the query over the
// header. It fails with CodeForbidden where any of those named is an owner that
// the principal may not act for, whether or not that owner exists.
func ownersOf(r *http.Request, p *hermod.Principal) ([]string, error) {
	var named []string
	for _, name := range []string{"signicat-organizationId", "signicat-accountId"} {
		for _, owner := range slices.Concat(api.QueryValues(r, name), r.Header.Values(name)) {
			if owner == "" {
				continue
			}
			if !p.Owns(owner) {
				return nil, hermod.Errorf(hermod.CodeForbidden, "the token may not act for the owner in %s", name)
			}
			named = append(named, owner)
		}
	}
	switch {
	case len(named) > 0:
		return named[:1], nil
	case p.Organization == "":
		return []string{p.Account}, nil
	default:
		return []string{p.Account, p.Organization}, nil
	}
}
