package hermod_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
)

// forms are the ways a dialect writes an id.
var forms = []struct {
	name  string
	write func(hermod.ID) string
	read  func(string) (hermod.ID, error)
	zero  string
	max   string
}{
	{"ULID", hermod.ID.ULID, hermod.ParseULID, strings.Repeat("0", 26), "7" + strings.Repeat("Z", 25)},
	{"base62", hermod.ID.Base62, hermod.ParseBase62, strings.Repeat("0", 22), "7n42DGM5Tflk9n8mt7Fhc7"},
	{"GUID", hermod.ID.GUID, hermod.ParseGUID, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
}

func TestAnIDHasOneNameInADialectThatReadsBackAndSortsAlike(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				draw := func(label string) (id hermod.ID) {
					copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, label))
					return id
				}
				a, b := draw("a"), draw("b")
				if back, err := form.read(form.write(a)); err != nil || back != a {
					t.Fatalf("%s became %q, which is %s: %v", a, form.write(a), back, err)
				}
				if a.Compare(b) != strings.Compare(form.write(a), form.write(b)) {
					t.Fatalf("%s and %s sort unlike %q and %q", a, b, form.write(a), form.write(b))
				}
			})
			var last hermod.ID
			for i := range last {
				last[i] = 0xff
			}
			if got := form.write(hermod.ID{}); got != form.zero {
				t.Errorf("the zero id is %q", got)
			}
			if got := form.write(last); got != form.max {
				t.Errorf("the last id is %q", got)
			}
		})
	}
}

func TestWhatIsNoIDInAFormIsRefused(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		good := form.write(hermod.ID{1, 2, 3, 0xab})
		for _, bad := range []string{
			"", good[1:], good + "0", "!" + good[1:], "é" + good[2:], " " + good[1:], strings.Repeat("z", len(good)), strings.Repeat("Z", len(good)),
			strings.Repeat("-", len(good)), good[:8] + strings.ToLower(good[8:]) + "x",
		} {
			if id, err := form.read(bad); hermod.CodeOf(err) != hermod.CodeInvalid {
				t.Errorf("%s %q became %s: %v", form.name, bad, id, err)
			}
		}
	}
	for _, bad := range []string{"0102-03ab-0000-0000-0000-000000000000", "010203ab000000000000000000000000", "010203AB-0000-0000-0000-000000000000"} {
		if _, err := hermod.ParseGUID(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := hermod.ParseULID("01j8xq7m8vw2a6g2b0n7j5az7q"); err == nil { // one name: upper case
		t.Error("a ULID in lower case is taken")
	}
}
