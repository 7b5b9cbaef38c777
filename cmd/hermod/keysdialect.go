package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
)

// A keyUse is a set of signing keys.
type keyUse struct {
	// name is what the command calls it; use and prefix are those of auth.Keys.
	name, use, prefix string
}

func uses() []keyUse {
	return []keyUse{{name: "access"}, {name: "universign", use: universign.Use, prefix: universign.KeyPrefix}}
}

// A dialectType is a type of credential of another API than the native one.
type dialectType struct {
	name   string
	kind   auth.Kind
	prefix string // of its secret
	scopes []string
}

func dialects() []dialectType {
	signly, telia := []string{hermod.ScopeSignly}, []string{hermod.ScopeTeliaSign}
	return []dialectType{
		{"signlyKey", auth.SignlyKey, "sk_", signly},
		{"signlyHmac", auth.SignlyHMAC, "sk_", signly},
		{"teliaKey", auth.TeliaKey, "", telia},
		{"teliaLogin", auth.TeliaLogin, "", telia},
		{"universignKey", auth.UniversignKey, universign.TokenPrefix, nil}, // those of its role
	}
}

func dialectOf(name string) (dialectType, bool) {
	for _, d := range dialects() {
		if d.name == name {
			return d, true
		}
	}
	return dialectType{}, false
}

func isDialect(name string) bool {
	_, ok := dialectOf(name)
	return ok
}

// dialectTypes lists the types for people.
func dialectTypes() string {
	var names []string
	for _, d := range dialects() {
		names = append(names, d.name)
	}
	return strings.Join(names, ", ")
}

// dialectKey are the flags of credentials of another API.
type dialectKey struct{ tenant, login, role string }

func dialectFlags(f *flag.FlagSet) *dialectKey {
	k := &dialectKey{}
	f.StringVar(&k.tenant, "tenant", "", "what the other API calls the account: for Telia Sign a `GUID`, for Universign wsp_...")
	f.StringVar(&k.login, "login", "", "`name` of a teliaLogin")
	f.StringVar(&k.role, "role", "", "`role` of a universignKey: owner, admin, integrator or none")
	return k
}

// maxTenant bounds a tenant and a login in bytes, so that their ids are keys of every
// store.
const maxTenant = 128

// check checks the flags of another API and sets what they say of the credential. Of
// the native API there are none.
func (k *dialectKey) check(f *flag.FlagSet, kind string, c *hermod.Credential) error {
	d, ok := dialectOf(kind)
	if !ok {
		if *k != (dialectKey{}) {
			return fmt.Errorf("-tenant, -login and -role are for %s", dialectTypes())
		}
		return nil
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	_, noGUID := hermod.ParseGUID(k.tenant)
	isLogin, isUniversign := d.kind == auth.TeliaLogin, d.kind == auth.UniversignKey
	switch {
	case k.tenant == "" || len(k.tenant) > maxTenant:
		return fmt.Errorf("-tenant is required, with at most %d bytes", maxTenant)
	case (isLogin || d.kind == auth.TeliaKey) && noGUID != nil:
		return errors.New("-tenant must be a GUID, such as 11111111-1111-4111-8111-111111111111")
	case isUniversign && !strings.HasPrefix(k.tenant, "wsp_"):
		return errors.New("-tenant must begin with wsp_")
	case isLogin != (k.login != "") || len(k.login) > maxTenant:
		return fmt.Errorf("-login is for teliaLogin, which needs one of at most %d bytes", maxTenant)
	case isUniversign && universign.ScopesOf(k.role) == nil:
		return fmt.Errorf("-role %q: want owner, admin, integrator or none", k.role)
	case !isUniversign && k.role != "":
		return errors.New("-role is for universignKey")
	case given["scopes"]:
		return fmt.Errorf("-scopes is not for %s", dialectTypes())
	}
	c.Tenant, c.Scopes = k.tenant, d.scopes
	if isUniversign {
		c.Scopes = universign.ScopesOf(k.role)
	}
	return nil
}

// createDialect makes a credential of another API and shows it.
func (c *console) createDialect(ctx context.Context, registry *auth.Registry, kind string, k *dialectKey, credential hermod.Credential) error {
	d, _ := dialectOf(kind)
	if d.kind == auth.TeliaLogin {
		made, err := registry.CreateLogin(ctx, k.login, credential)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "id %s\ntenant %s\nlogin %s\npassword %s\n", made.ID, k.tenant, k.login, made.Secret)
		return nil
	}
	most := auth.MaxCredentials
	if d.kind == auth.UniversignKey {
		most = universign.MaxAPIKeys
	}
	made, err := registry.CreateSecret(ctx, d.kind, d.prefix, most, credential)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "id %s\ntenant %s\nkey %s\n", made.ID, k.tenant, made.Secret)
	return nil
}
