package seal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/seal"
)

func random(b []byte) { _, _ = rand.Read(b) } // never fails: it would end the program

// A clock is set by hand.
type clock struct{ unix atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.unix.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.unix.Add(int64(d / time.Second)) }

// countedKeys counts the calls of the keys behind it, and fails where fail is set.
type countedKeys struct {
	seal.Keys
	made, unwrapped atomic.Int64
	fail            atomic.Bool
}

var errKeysDown = errors.New("keys are down")

func (k *countedKeys) DataKey(ctx context.Context, owner string) ([]byte, []byte, error) {
	k.made.Add(1)
	if k.fail.Load() {
		return nil, nil, errKeysDown
	}
	return k.Keys.DataKey(ctx, owner)
}

func (k *countedKeys) Unwrap(ctx context.Context, owner string, wrapped []byte) ([]byte, error) {
	k.unwrapped.Add(1)
	if k.fail.Load() {
		return nil, errKeysDown
	}
	return k.Keys.Unwrap(ctx, owner, wrapped)
}

func newKeys(t *testing.T) *countedKeys {
	t.Helper()
	local, err := seal.NewLocalKeys(filepath.Join(t.TempDir(), "key"), random)
	if err != nil {
		t.Fatal(err)
	}
	return &countedKeys{Keys: local}
}

func newBox(t *testing.T) (*seal.Box, *countedKeys, *clock) {
	t.Helper()
	keys, c := newKeys(t), &clock{}
	return seal.NewBox(keys, random, c.now), keys, c
}

func mustSeal(t *testing.T, box *seal.Box, owner, text string) []byte {
	t.Helper()
	sealed, err := box.Seal(t.Context(), owner, "name", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestOpenGivesWhatWasSealed(t *testing.T) {
	t.Parallel()
	box, _, _ := newBox(t)
	for _, size := range []int{0, 1, 15, 16, 17, 1000, 1 << 20} {
		text := bytes.Repeat([]byte("s"), size)
		sealed, err := box.Seal(t.Context(), "owner", "name", text)
		if err != nil {
			t.Fatal(err)
		}
		if size > 16 && bytes.Contains(sealed, text[:16]) {
			t.Errorf("%d bytes are sealed in the clear", size)
		}
		got, err := box.Open(t.Context(), "owner", "name", sealed)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: got %d bytes, %v", size, len(got), err)
		}
	}
}

func TestOpenAfterARestartWithTheSameKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "key")
	c := &clock{}
	var sealed []byte
	for range 3 {
		keys, err := seal.NewLocalKeys(path, random)
		if err != nil {
			t.Fatal(err)
		}
		box := seal.NewBox(keys, random, c.now)
		if sealed == nil {
			sealed = mustSeal(t, box, "owner", "text")
		}
		got, err := box.Open(t.Context(), "owner", "name", sealed)
		if err != nil || string(got) != "text" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestOpenFailsForAnyOtherBinding(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ owner, name string }{
		"another name":               {"owner", "name2"},
		"another owner":              {"owner2", "name"},
		"the border moved":           {"ownern", "ame"},
		"the border moved back":      {"owne", "rname"},
		"an empty name":              {"owner", ""},
		"owner and name interchange": {"name", "owner"},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			box, _, _ := newBox(t)
			sealed := mustSeal(t, box, "owner", "text")
			if _, err := box.Open(t.Context(), "owner", "name", sealed); err != nil {
				t.Fatal(err) // from here on the data key is in the cache
			}
			if got, err := box.Open(t.Context(), tt.owner, tt.name, sealed); err == nil {
				t.Errorf("opened: %q", got)
			}
		})
	}
}

func TestOpenFailsUnderAnotherKeyFile(t *testing.T) {
	t.Parallel()
	box, _, _ := newBox(t)
	other, _, _ := newBox(t)
	if _, err := other.Open(t.Context(), "owner", "name", mustSeal(t, box, "owner", "text")); err == nil {
		t.Error("opened")
	}
}

func TestOpenFailsWhenAnyBitIsChanged(t *testing.T) {
	t.Parallel()
	box, _, _ := newBox(t)
	sealed := mustSeal(t, box, "owner", "text")
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if got, err := box.Open(t.Context(), "owner", "name", changed); err == nil {
				t.Errorf("byte %d, bit %d: opened %q", i, bit, got)
			}
		}
	}
}

func TestOpenFailsAtAnyOtherLength(t *testing.T) {
	t.Parallel()
	box, _, _ := newBox(t)
	sealed := mustSeal(t, box, "owner", "text")
	for n := range sealed {
		if got, err := box.Open(t.Context(), "owner", "name", sealed[:n]); err == nil {
			t.Errorf("the first %d bytes: opened %q", n, got)
		}
	}
	if got, err := box.Open(t.Context(), "owner", "name", append(sealed, 0)); err == nil {
		t.Errorf("with a byte more: opened %q", got)
	}
}

func TestSealNeverRepeatsItself(t *testing.T) {
	t.Parallel()
	box, _, _ := newBox(t)
	seen := map[string]bool{}
	for range 100 {
		sealed := string(mustSeal(t, box, "owner", "text"))
		if seen[sealed] {
			t.Fatal("two equal sealed texts")
		}
		seen[sealed] = true
	}
}

func TestDataKeysAreKeptForFiveMinutes(t *testing.T) {
	t.Parallel()
	box, keys, c := newBox(t)
	use := func(owner string) {
		sealed := mustSeal(t, box, owner, "text")
		if _, err := box.Open(t.Context(), owner, "name", sealed); err != nil {
			t.Error(err)
		}
	}
	want := func(when string, n int64) {
		t.Helper()
		if keys.made.Load() != n || keys.unwrapped.Load() != n {
			t.Errorf("%s: %d keys made, %d unwrapped, want %d of both", when, keys.made.Load(), keys.unwrapped.Load(), n)
		}
	}
	use("a")
	use("a")
	want("one owner", 1)
	use("b")
	want("another owner", 2)
	c.advance(5*time.Minute - time.Second)
	use("a")
	want("just before five minutes", 2)
	c.advance(time.Second)
	use("a")
	want("after five minutes", 3)
}

func TestAFailureOfTheKeysIsNotKept(t *testing.T) {
	t.Parallel()
	box, keys, _ := newBox(t)
	sealed := mustSeal(t, box, "owner", "text")
	keys.fail.Store(true)
	if _, err := box.Open(t.Context(), "owner", "name", sealed); !errors.Is(err, errKeysDown) {
		t.Errorf("open: %v", err)
	}
	if _, err := box.Seal(t.Context(), "owner2", "name", nil); !errors.Is(err, errKeysDown) {
		t.Errorf("seal: %v", err)
	}
	keys.fail.Store(false)
	if _, err := box.Open(t.Context(), "owner", "name", sealed); err != nil {
		t.Errorf("open again: %v", err)
	}
}

// stuckKeys wait until they are let go, and know how many wait.
type stuckKeys struct {
	seal.Keys
	entered chan struct{}
	goOn    chan struct{}
}

func (k *stuckKeys) DataKey(ctx context.Context, owner string) ([]byte, []byte, error) {
	k.entered <- struct{}{}
	<-k.goOn
	return k.Keys.DataKey(ctx, owner)
}

func TestCallersOfOneOwnerShareOneKeyAndKeepTheirOwnDeadlines(t *testing.T) {
	t.Parallel()
	counted := newKeys(t)
	keys := &stuckKeys{Keys: counted, entered: make(chan struct{}), goOn: make(chan struct{})}
	box := seal.NewBox(keys, random, (&clock{}).now)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := box.Seal(t.Context(), "owner", "name", nil); err != nil {
				t.Error(err)
			}
		})
	}
	<-keys.entered
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := box.Seal(late, "owner", "name", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has left: %v", err)
	}
	close(keys.goOn)
	all.Wait()
	if n := counted.made.Load(); n != 1 {
		t.Errorf("%d keys made for 16 callers", n)
	}
}

func TestABoxIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	box, _, c := newBox(t)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 100 {
				owner, text := fmt.Sprint("owner", i%5), fmt.Sprint(worker, i)
				sealed, err := box.Seal(t.Context(), owner, "name", []byte(text))
				if err != nil {
					t.Error(err)
					return
				}
				c.advance(10 * time.Second)
				got, err := box.Open(t.Context(), owner, "name", sealed)
				if err != nil || string(got) != text {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	all.Wait()
}

func TestTheNumberOfKeptKeysIsBounded(t *testing.T) {
	t.Parallel()
	box, keys, _ := newBox(t)
	const owners = 3000 // the bound is 1,024
	for i := range owners {
		mustSeal(t, box, fmt.Sprint("owner", i), "")
	}
	made := keys.made.Load()
	for i := range owners {
		mustSeal(t, box, fmt.Sprint("owner", i), "")
	}
	if again := keys.made.Load() - made; again < owners-1024 {
		t.Errorf("%d of %d owners needed a new key: more than 1,024 keys were kept", again, owners)
	}
}
