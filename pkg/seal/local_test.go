package seal_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hermod/pkg/seal"
)

func TestTheKeyFileIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "key")
	if _, err := seal.NewLocalKeys(path, random); err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir}
	for name, want := range modes {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: mode %v, want %v", name, info.Mode(), want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the key file: %v, %v", entries, err)
	}
}

func TestAKeyFileOpenToOthersIsRefused(t *testing.T) {
	t.Parallel()
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o700: true,
		0o640: false, 0o604: false, 0o660: false, 0o602: false, 0o610: false, 0o644: false, 0o777: false,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			if _, err := seal.NewLocalKeys(path, random); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			if _, err := seal.NewLocalKeys(path, random); (err == nil) != ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnythingButAKeyIsRefusedAndNotQuoted(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("5e", 32)
	for title, content := range map[string]string{
		"empty":               "",
		"too short":           digits[:62],
		"too long":            digits + "5e",
		"two lines":           digits + "\n\n",
		"no hex digit":        digits[:63] + "g",
		"bytes":               string(bytes.Repeat([]byte{0x5e}, 32)),
		"a line of its own":   "\n" + digits,
		"the file of another": "{}",
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := seal.NewLocalKeys(path, random)
			if err == nil {
				t.Fatal("taken")
			}
			if strings.Contains(err.Error(), "5e5e") {
				t.Errorf("the error quotes the key: %v", err)
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != content {
				t.Errorf("the file was changed: %q, %v", left, err)
			}
		})
	}
}

func TestADirectoryIsNoKeyFile(t *testing.T) {
	t.Parallel()
	if _, err := seal.NewLocalKeys(t.TempDir(), random); err == nil {
		t.Error("taken")
	}
}

func TestProcessesThatStartTogetherUseOneKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	const processes = 16
	made := make([]*seal.LocalKeys, processes)
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() {
			keys, err := seal.NewLocalKeys(path, random)
			if err != nil {
				t.Error(err)
			}
			made[i] = keys
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	plain, wrapped, err := made[0].DataKey(t.Context(), "owner")
	if err != nil {
		t.Fatal(err)
	}
	for i, keys := range made {
		if got, err := keys.Unwrap(t.Context(), "owner", wrapped); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("process %d: %v", i, err)
		}
		if _, err := keys.Unwrap(t.Context(), "other", wrapped); err == nil {
			t.Errorf("process %d: unwrapped for another owner", i)
		}
	}
	if _, err := made[0].Unwrap(t.Context(), "owner", wrapped[:3]); err == nil {
		t.Error("a stub was unwrapped")
	}
}

func TestADatabaseWithoutItsKeyFileIsRefusedAndGetsNoOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	database, path := filepath.Join(dir, "hermod.db"), filepath.Join(dir, "hermod.key")
	made, err := seal.LocalKeysOf(database, path, random)
	if err != nil {
		t.Fatalf("of a clean directory: %v", err)
	}
	if err := os.WriteFile(database, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := seal.LocalKeysOf(database, path, random)
	if err != nil {
		t.Fatalf("of a directory with both: %v", err)
	}
	_, wrapped, err := made.DataKey(t.Context(), "owner")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Unwrap(t.Context(), "owner", wrapped); err != nil {
		t.Errorf("the key is another one: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want := dir + " has a database but no hermod.key: put back the one that belongs to it"
	if _, err := seal.LocalKeysOf(database, path, random); err == nil || err.Error() != want {
		t.Errorf("without the key file: %v, want %s", err, want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("it made %v, %v", left, err)
	}
}

func TestWhatAnotherKeyFileWrappedIsForeign(t *testing.T) {
	t.Parallel()
	_, wrapped, err := newKeys(t).DataKey(t.Context(), "owner")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newKeys(t).Unwrap(t.Context(), "owner", wrapped); !errors.Is(err, seal.ErrForeignKey) {
		t.Errorf("%v", err)
	}
}
