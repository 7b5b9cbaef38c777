package hermod

import (
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
)

// The forms of an id in the other dialects. Each holds all 128 bits, sorts as the id
// does, and is read back by its parser, which takes no other spelling of the same id:
// an id has one name in a dialect.

const (
	// ulidAlphabet is Crockford's base32 (ULID specification, "Encoding").
	ulidAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	ulidLength   = 26
	// base62Alphabet sorts as its characters' codes do.
	base62Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base62Length   = 22
)

// ULID is the id in 26 characters of Crockford's base32.
func (id ID) ULID() string { return id.digits(ulidAlphabet, ulidLength) }

// ParseULID reads what ULID made. It fails with CodeInvalid.
func ParseULID(s string) (ID, error) { return parseDigits(s, ulidAlphabet, ulidLength, "a ULID") }

// Base62 is the id in 22 letters and digits.
func (id ID) Base62() string { return id.digits(base62Alphabet, base62Length) }

// ParseBase62 reads what Base62 made. It fails with CodeInvalid.
func ParseBase62(s string) (ID, error) {
	return parseDigits(s, base62Alphabet, base62Length, "an id in base62")
}

// GUID is the id as RFC 9562, section 4, writes it: 8-4-4-4-12 lower-case hex digits.
func (id ID) GUID() string {
	text := hex.EncodeToString(id[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// ParseGUID reads what GUID made. It fails with CodeInvalid.
func ParseGUID(s string) (ID, error) {
	id, err := ParseID(strings.ReplaceAll(s, "-", ""))
	if err != nil || id.GUID() != s {
		return ID{}, Errorf(CodeInvalid, "a GUID has lower-case hex digits in groups of 8, 4, 4, 4 and 12")
	}
	return id, nil
}

// digits writes the id as a number of so many digits.
func (id ID) digits(alphabet string, length int) string {
	base, n, digit := big.NewInt(int64(len(alphabet))), new(big.Int).SetBytes(id[:]), new(big.Int)
	text := make([]byte, length)
	for i := range slices.Backward(text) {
		n.QuoRem(n, base, digit)
		text[i] = alphabet[digit.Int64()]
	}
	return string(text)
}

func parseDigits(s, alphabet string, length int, what string) (ID, error) {
	var id ID
	invalid := Errorf(CodeInvalid, "%s has %d characters of %s", what, length, alphabet)
	if len(s) != length {
		return id, invalid
	}
	base, n := big.NewInt(int64(len(alphabet))), new(big.Int)
	for i := range len(s) {
		digit := strings.IndexByte(alphabet, s[i])
		if digit < 0 {
			return id, invalid
		}
		n.Add(n.Mul(n, base), big.NewInt(int64(digit)))
	}
	if n.BitLen() > 8*len(id) {
		return id, invalid
	}
	n.FillBytes(id[:])
	return id, nil
}
