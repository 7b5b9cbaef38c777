package dynamo_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"hermod/pkg/hermod"
)

// storedData is the attribute that the data of an event is put in, and its bytes.
func storedData(t *testing.T, data string) (name string, stored []byte) {
	t.Helper()
	e, _ := typical()
	e.Data = []byte(data)
	item := put(t, func(s storeUnderTest) error { return s.PutEvents(t.Context(), []*hermod.Event{e}) })
	for _, name := range []string{"d", "z"} {
		if value, ok := item[name].(object); ok {
			b, err := base64.StdEncoding.DecodeString(value["B"].(string)) //nolint:forcetypeassert // a test's
			if err != nil {
				t.Fatal(err)
			}
			return name, b
		}
	}
	t.Fatalf("the row holds no data: %v", item)
	return "", nil
}

// platformEvent is the data of an event as a platform sends it, 1.5 KB with what is
// around it. The cost tests price it.
func platformEvent(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../test/cost/testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var event struct{ EventData json.RawMessage }
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	return string(event.EventData)
}

func TestDataIsCompressedWhereThatIsShorter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ data, attribute string }{
		"short":          {`{"orderId":"o-1"}`, "d"},
		"usual":          {platformEvent(t), "z"},
		"incompressible": {string(random(300)), "d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attribute, stored := storedData(t, c.data)
			if attribute != c.attribute || len(stored) > len(c.data) {
				t.Errorf("%d bytes are kept in %s as %d, want them in %s", len(c.data), attribute, len(stored), c.attribute)
			}
		})
	}
}

// random are bytes of which nothing repeats.
func random(n int) []byte {
	b := make([]byte, n)
	x := uint64(0x9e3779b97f4a7c15)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
	return b
}

// Rows are read for as long as events are kept: one that was put before data was
// compressed, and one that was compressed with the first dictionary.
func TestRowsOfOlderVersionsAreRead(t *testing.T) {
	t.Parallel()
	e, _ := typical()
	const data = `{"orderId":"ord-6d2f91b4","documents":[{"documentId":"doc-1","name":"Loan.pdf"}],"completedAt":"2026-03-02T09:15:30Z"}`
	for name, c := range map[string]struct{ attribute, bytes string }{
		"compressed": {"z", "qkaK5vyiFF2zFKM0S8MkE9Qojq5GTQAp+cm6hggX+uQn5oGrmdpYdA9DnGGsa2AUYmBpZWhqZWwQpVQLCAAA//8="},
		"plain":      {"d", base64.StdEncoding.EncodeToString([]byte(data))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := storeOn(t, func(int, call) (int, any) {
				return http.StatusOK, object{"Responses": object{"events": []any{object{
					"PK": object{"S": e.AccountID + "#0"}, "SK": object{"S": e.ID.String()},
					"ttl": object{"N": "4102444800"}, c.attribute: object{"B": c.bytes},
				}}}}
			})
			found, err := s.EventsByKey(t.Context(), []hermod.EventKey{e.Key()})
			wantCode(t, err, "")
			if got := string(found[e.Key()].Data); got != data {
				t.Errorf("read %q", got)
			}
		})
	}
}

func TestDataThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	e, _ := typical()
	s, _ := storeOn(t, func(int, call) (int, any) {
		return http.StatusOK, object{"Responses": object{"events": []any{object{
			"PK": object{"S": e.AccountID + "#0"}, "SK": object{"S": e.ID.String()}, "z": object{"B": "////"},
		}}}}
	})
	_, err := s.EventsByKey(t.Context(), []hermod.EventKey{e.Key()})
	wantCode(t, err, hermod.CodeInternal)
}
