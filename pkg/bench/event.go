package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// eventBytes is the size of an event as it is published.
const eventBytes = 512

// A stamp is what an event says of itself, in its data: which one it is, and when
// it was to be sent, by the clock of the benchmark.
type stamp struct {
	seq uint32
	due time.Duration
}

// The stamp is the first member of the data: 24 hex digits behind a marker that
// nothing else in a delivery resembles.
const (
	stampMarker = `"stamp":"`
	stampDigits = 2 * (4 + 8)
)

// newTemplate makes an event of eventBytes whose stamp is all zero, and says where
// in it the stamp is.
func newTemplate(sender, name string) (event []byte, at int) {
	head := `{"sender":"` + sender + `","eventName":"` + name + `","eventData":{` + stampMarker
	tail := `","pad":"` + `"}}`
	event = make([]byte, 0, eventBytes)
	event = append(event, head...)
	event = append(event, bytes.Repeat([]byte("0"), stampDigits)...)
	event = append(event, tail[:len(tail)-3]...)
	event = append(event, bytes.Repeat([]byte("x"), eventBytes-len(event)-3)...)
	event = append(event, tail[len(tail)-3:]...)
	return event, len(head)
}

func (s stamp) put(digits []byte) {
	var raw [stampDigits / 2]byte
	binary.BigEndian.PutUint32(raw[:4], s.seq)
	binary.BigEndian.PutUint64(raw[4:], uint64(s.due)) //nolint:gosec // never negative
	hex.Encode(digits, raw[:])
}

// readStamp finds the stamp in a delivery.
func readStamp(body []byte) (s stamp, ok bool) {
	i := bytes.Index(body, []byte(stampMarker))
	if i < 0 || len(body) < i+len(stampMarker)+stampDigits {
		return stamp{}, false
	}
	var raw [stampDigits / 2]byte
	if _, err := hex.Decode(raw[:], body[i+len(stampMarker):][:stampDigits]); err != nil {
		return stamp{}, false
	}
	return stamp{
		seq: binary.BigEndian.Uint32(raw[:4]),
		due: time.Duration(binary.BigEndian.Uint64(raw[4:])), //nolint:gosec // put wrote a duration
	}, true
}
