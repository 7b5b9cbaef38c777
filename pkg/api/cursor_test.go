package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

func cursors(keys ...string) api.Cursors {
	list := make([][]byte, len(keys))
	for i, key := range keys {
		list[i] = []byte(key)
	}
	return api.Cursors{Keys: func(context.Context) ([][]byte, error) { return list, nil }}
}

func TestACursorIsReadWhereItWasMadeFor(t *testing.T) {
	t.Parallel()
	text := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "ab", "b", "1:a", "0:", "2:ab"}), 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		scope, position := text.Draw(t, "scope"), rapid.String().Draw(t, "position")
		made, err := cursors("k").Make(t.Context(), scope, position)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cursors("k").Read(t.Context(), scope, "page", made); err != nil || got != position {
			t.Fatalf("position %q came back as %q: %v", position, got, err)
		}
		elsewhere := text.Draw(t, "elsewhere")
		_, err = cursors("k").Read(t.Context(), elsewhere, "page", made)
		if slices.Equal(scope, elsewhere) != (err == nil) {
			t.Fatalf("made for %q, read for %q: %v", scope, elsewhere, err)
		}
	})
}

func TestACursorThatWasTouchedIsRefused(t *testing.T) {
	t.Parallel()
	scope := []string{"list", "owner"}
	made, err := cursors("k").Make(t.Context(), scope, "position")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(made)
	if err != nil {
		t.Fatal(err)
	}
	touched := []string{"", "x", "%", made + "=", made + "A", made[1:], made[:len(made)-1], strings.ToLower(made)}
	for i := range raw {
		changed := slices.Clone(raw)
		changed[i] ^= 1
		touched = append(touched, base64.RawURLEncoding.EncodeToString(changed))
	}
	for n := range raw {
		touched = append(touched, base64.RawURLEncoding.EncodeToString(raw[:n]))
	}
	for _, cursor := range touched {
		position, err := cursors("k").Read(t.Context(), scope, "page", cursor)
		e, ok := errors.AsType[*hermod.Error](err)
		if !ok || e.Code != hermod.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Name != "page" || position != "" {
			t.Errorf("%q: %q, %v", cursor, position, err)
		}
	}
}

func TestACursorOutlivesARotationOfKeysAndNoRemovalOfThem(t *testing.T) {
	t.Parallel()
	made, err := cursors("old").Make(t.Context(), nil, "p")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cursors("new", "old").Read(t.Context(), nil, "page", made); err != nil || got != "p" {
		t.Errorf("after a rotation: %q, %v", got, err)
	}
	if _, err := cursors("new").Read(t.Context(), nil, "page", made); hermod.CodeOf(err) != hermod.CodeInvalid {
		t.Errorf("without the old key: %v", err)
	}
}

func TestAFaultOfTheKeysIsNoFaultOfTheCursor(t *testing.T) {
	t.Parallel()
	made, err := cursors("k").Make(t.Context(), nil, "p")
	if err != nil {
		t.Fatal(err)
	}
	broken := api.Cursors{Keys: func(context.Context) ([][]byte, error) { return nil, errors.New("away") }}
	if _, err := broken.Read(t.Context(), nil, "page", made); hermod.CodeOf(err) != hermod.CodeInternal {
		t.Errorf("reading: %v", err)
	}
	if _, err := broken.Make(t.Context(), nil, "p"); hermod.CodeOf(err) != hermod.CodeInternal {
		t.Errorf("making: %v", err)
	}
}

func FuzzReadCursor(f *testing.F) {
	c, scope := cursors("k"), []string{"list", "owner"}
	made, err := c.Make(f.Context(), scope, "position")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", made, made + "A", "////", strings.Repeat("A", 22), strings.Repeat("A", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		position, err := c.Read(t.Context(), scope, "page", cursor)
		if err == nil {
			again, err := c.Make(t.Context(), scope, position)
			if err != nil || again != cursor {
				t.Fatalf("read %q, which Make did not make", cursor)
			}
		} else if hermod.CodeOf(err) != hermod.CodeInvalid || position != "" {
			t.Fatalf("%q: %q, %v", cursor, position, err)
		}
	})
}
