package seal_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hermod/pkg/seal"
)

// FuzzOpen: of all that could stand in a table, a box opens what it sealed itself for that
// owner and name, and nothing else.
func FuzzOpen(f *testing.F) {
	local, err := seal.NewLocalKeys(filepath.Join(f.TempDir(), "key"), random)
	if err != nil {
		f.Fatal(err)
	}
	box := seal.NewBox(local, random, time.Now)
	good, err := box.Seal(f.Context(), "owner", "name", []byte("s3cret"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, {0}, good, good[:len(good)-1], good[1:], append(bytes.Clone(good), 0), bytes.Repeat([]byte{0xff}, 200)} {
		f.Add("owner", "name", seed)
	}
	f.Add("owner", "another", good)
	f.Add("own", "ername", good)
	f.Add("", "", good)
	f.Fuzz(func(t *testing.T, owner, name string, sealed []byte) {
		plain, err := box.Open(t.Context(), owner, name, sealed)
		if intact := owner == "owner" && name == "name" && bytes.Equal(sealed, good); (err == nil) != intact || (intact && string(plain) != "s3cret") {
			t.Fatalf("%q, %q, %x: %q, %v", owner, name, sealed, plain, err)
		}
		// What is sealed comes back.
		again, err := box.Seal(t.Context(), owner, name, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := box.Open(t.Context(), owner, name, again); err != nil || !bytes.Equal(plain, sealed) {
			t.Fatalf("%x came back as %x, %v", sealed, plain, err)
		}
	})
}

// FuzzKeyFile: a key file is 64 hex digits, or it is refused without a digit of it shown.
func FuzzKeyFile(f *testing.F) {
	const digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	for _, seed := range []string{"", "\n", digits, digits + "\n", digits + "\n\n", digits + "\r\n", digits[1:], digits + "00", "0x" + digits[2:], "zz" + digits[2:]} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "key")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := seal.NewLocalKeys(path, random)
		key, bad := hex.DecodeString(string(bytes.TrimSuffix(content, []byte("\n"))))
		if good := bad == nil && len(key) == 32; good != (err == nil) {
			t.Fatalf("%q: %v", content, err)
		}
		if err != nil && len(content) > 8 && bytes.Contains([]byte(err.Error()), bytes.TrimSpace(content)) {
			t.Fatalf("the error quotes the key: %v", err)
		}
	})
}
