package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// A JWKS is a set of keys as they are published (RFC 7517, section 5).
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// A JWK is a public key (RFC 7517, section 4; RFC 7518, section 6).
type JWK struct {
	Type      string `json:"kty"`
	Use       string `json:"use,omitempty"`
	Algorithm string `json:"alg,omitempty"`
	ID        string `json:"kid,omitempty"`
	// Modulus and Exponent are of an RSA key, big-endian, in base64url.
	Modulus  string `json:"n,omitempty"`
	Exponent string `json:"e,omitempty"`
	// Curve, X and Y are of an elliptic curve's key.
	Curve string `json:"crv,omitempty"`
	X     string `json:"x,omitempty"`
	Y     string `json:"y,omitempty"`
}

// JWKSOf is the key set that publishes the keys.
func JWKSOf(keys []PublicKey) JWKS {
	set := JWKS{Keys: []JWK{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, JWK{
			Type: "RSA", Use: "sig", Algorithm: rs256, ID: k.ID,
			Modulus:  base64.RawURLEncoding.EncodeToString(k.Key.N.Bytes()),
			Exponent: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.Key.E)).Bytes()),
		})
	}
	return set
}

// The algorithms that outside issuers may sign by (RFC 7518, section 3.1). None of
// them knows a shared secret.
const (
	rs256 = "RS256"
	ps256 = "PS256"
	es256 = "ES256"
)

func algorithms() []string { return []string{rs256, ps256, es256} }

// A verificationKey is a key of an outside issuer.
type verificationKey struct {
	id string
	// algorithm is the only one that the key is for; "" for any of its type.
	algorithm string
	key       any // *rsa.PublicKey or *ecdsa.PublicKey
}

func (k verificationKey) verifies(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	_, elliptic := k.key.(*ecdsa.PublicKey)
	return elliptic == (algorithm == es256)
}

// The bounds of reading a key set.
const (
	jwksTimeout = 5 * time.Second
	maxJWKS     = 64 << 10 // bytes
	minRSABits  = 2048
	maxRSABits  = 8192 // a larger one takes long to verify with
)

// A jwksClient reads the key set of an outside issuer.
type jwksClient struct {
	url    string
	client *http.Client
	log    *slog.Logger
}

func newJWKSClient(url string, log *slog.Logger) *jwksClient {
	return &jwksClient{url: url, log: log, client: &http.Client{
		Timeout: jwksTimeout,
		// Keys come from the URL that the operator named and from nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// fetch reads the keys. It fails where none of them could verify a token.
func (c *jwksClient) fetch(ctx context.Context) ([]verificationKey, error) {
	keys, err := c.read(ctx)
	if err != nil {
		err = fmt.Errorf("reading the outside issuer's keys: %w", err)
		if ctx.Err() == nil {
			c.log.LogAttrs(ctx, slog.LevelWarn, "outside keys not read", hermod.LogError(err))
		}
		return nil, err
	}
	return keys, nil
}

func (c *jwksClient) read(ctx context.Context) (keys []verificationKey, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := c.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", c.url, answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxJWKS+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxJWKS {
		return nil, fmt.Errorf("%s answers more than %d bytes", c.url, maxJWKS)
	}
	return parseJWKS(body)
}

// parseJWKS takes the keys out of a set that can verify a token. Others are passed
// over, as a set may hold keys for other purposes (RFC 7517, section 5).
func parseJWKS(body []byte) ([]verificationKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("parsing the key set: %w", err)
	}
	var keys []verificationKey
	for _, raw := range set.Keys {
		var k JWK
		if json.Unmarshal(raw, &k) != nil || k.ID == "" || (k.Use != "" && k.Use != "sig") {
			continue
		}
		if k.Algorithm != "" && !slices.Contains(algorithms(), k.Algorithm) {
			continue
		}
		if key := k.public(); key != nil {
			keys = append(keys, verificationKey{id: k.ID, algorithm: k.Algorithm, key: key})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set holds no key that verifies RS256, PS256 or ES256")
	}
	return keys, nil
}

// public is the key itself; nil for one that is of another kind, or weak, or broken.
func (k JWK) public() any {
	switch {
	case k.Type == "RSA":
		n, e := number(k.Modulus), number(k.Exponent)
		if n.BitLen() < minRSABits || n.BitLen() > maxRSABits || n.Bit(0) == 0 || e.BitLen() > 31 || e.Bit(0) == 0 || e.Int64() < 3 {
			return nil
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}
	case k.Type == "EC" && k.Curve == "P-256":
		const size = 32
		x, badX := base64.RawURLEncoding.DecodeString(k.X)
		y, badY := base64.RawURLEncoding.DecodeString(k.Y)
		if badX != nil || badY != nil || len(x) != size || len(y) != size {
			return nil
		}
		// It fails for what is no point of the curve.
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			return nil
		}
		return key
	}
	return nil
}

// number reads a big-endian number; 0 for what is none.
func number(text string) *big.Int {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return new(big.Int)
	}
	return new(big.Int).SetBytes(raw)
}
