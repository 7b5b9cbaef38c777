package ingest

import (
	"encoding/json"
	"slices"
	"strings"

	"hermod/pkg/hermod"
)

// The types of Telia Sign that belong together: where a signature request has been
// completed, its status has changed, and both are told (wire facts, 3.3).
const (
	typeRequestCompleted = "signaturerequestcompleted"
	typeStatusUpdated    = "signaturerequeststatusupdated"
)

// launch adds to the batch, for each completion of a signature request, the event that
// says that its status has changed: with the same data, owners, time and context. The
// two are accepted together or not at all. A mock launches nothing, and no schema is
// held against what was launched: its publisher did not write it.
//
// It comes after the checks of what was given and before the keys: the launched one of
// a completion with an idempotency key has a key too, by which a repetition finds it.
func (b *batch) launch(o *owned) {
	b.submissions = slices.Clip(b.submissions) // what is added is not the caller's
	for i := range b.given {
		s := &b.submissions[i]
		if b.unfit[i] != nil || s.mocked() || !isTelia(&s.Event, typeRequestCompleted) {
			continue
		}
		launched := Submission{Event: s.Event, Hash: s.Hash}
		launched.Event.Name = typeStatusUpdated
		if s.Key != "" {
			launched.Key = "launched:" + s.Key
		}
		r := o.rule(&launched.Event)
		launched.Event.Internal = r != nil && r.internal
		b.submissions = append(b.submissions, launched)
		b.unfit = append(b.unfit, nil)
		b.launchers = append(b.launchers, i)
	}
}

// foldCase writes the names of Telia Sign's types in lower case, as they stand everywhere
// else: that API's users write them in any (wire facts, 3.2), and filters tell cases apart.
// Events of other senders cost a comparison.
func foldCase(e *hermod.Event) {
	if e.Sender == string(hermod.TeliaSign) {
		e.Name = strings.ToLower(e.Name)
	}
}

func isTelia(e *hermod.Event, name string) bool {
	return e.Name == name && e.Sender == string(hermod.TeliaSign)
}

// launcher is the completion that launched submission i.
func (b *batch) launcher(i int) (completion int, launched bool) {
	if i < b.given {
		return 0, false
	}
	return b.launchers[i-b.given], true
}

// stampsOf are the ids that put took for submission i and for what it launches; none where
// the batch did not come to that.
func (b *batch) stampsOf(i int) (ids []hermod.ID) {
	if len(b.stamps) == 0 {
		return nil
	}
	ids = append(ids, b.stamps[i])
	for n, completion := range b.launchers {
		if completion == i {
			ids = append(ids, b.stamps[b.given+n])
		}
	}
	return ids
}

// joinFates refuses a completion where the event that it launches is refused, and the
// other way round.
func (b *batch) joinFates() {
	for n, completion := range b.launchers {
		launched := b.given + n
		switch {
		case b.refused[completion] != nil:
			b.refused[launched] = b.refused[completion]
		case b.refused[launched] != nil:
			b.refused[completion] = b.refused[launched]
		}
	}
}

// requestOf is the signature request that an event is about, in one spelling; "" where
// the event names none by a GUID. As in deliveries, neither the member's case counts nor
// the form of the GUID.
func requestOf(data []byte) string {
	var in struct {
		SignatureRequestID any `json:"SignatureRequestId"`
	}
	if json.Unmarshal(data, &in) != nil {
		return ""
	}
	text, _ := in.SignatureRequestID.(string)
	id, err := hermod.ParseID(strings.ToLower(strings.ReplaceAll(strings.Trim(text, "{}()"), "-", "")))
	if err != nil || id.IsZero() {
		return ""
	}
	return id.GUID()
}
