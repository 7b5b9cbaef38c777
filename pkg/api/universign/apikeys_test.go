package universign_test

import (
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
)

// keyID is the id on the wire of an API key.
func keyID(key string) string { return universign.APIKeyID(auth.SecretID(auth.UniversignKey, key)) }
