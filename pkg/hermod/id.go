package hermod

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
)

// An ID is a UUIDv7 (RFC 9562, section 5.7). Ids sort by the moment they were
// made, which makes them the order of the event log.
type ID [16]byte

// ParseID reads the native form, 32 lower-case hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) || !lowerHex(s) {
		return ID{}, Errorf(CodeInvalid, "an id has 32 lower-case hex digits")
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// String is the native form, 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id was never set.
func (id ID) IsZero() bool { return id == ID{} }

// Compare orders ids by the time they were made.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// Time is when the id was made, to the millisecond.
func (id ID) Time() time.Time {
	ms := binary.BigEndian.Uint64(id[:8]) >> 16
	return time.UnixMilli(int64(ms)).UTC()
}

// MarshalText and UnmarshalText make the native form the JSON form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// FirstIDAt is the smallest id that can be made at t or later. It turns a bound
// in time into a bound in ids, which hold fractions of a millisecond too.
func FirstIDAt(t time.Time) ID {
	var id ID
	if t.UnixMilli() >= 0 {
		id.setTick(tickOf(t))
	}
	return id
}

// LastIDAt is the greatest id that can be made at t, to the precision of an id: a
// 4096th of a millisecond.
func LastIDAt(t time.Time) ID {
	var id ID
	if t.UnixMilli() < 0 {
		return id
	}
	for i := range id {
		id[i] = 0xff
	}
	id.setTick(tickOf(t))
	return id
}

// Next is the smallest value greater than id: an inclusive bound as an exclusive
// one. It may be no id that could be made.
func (id ID) Next() ID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

// tickOf counts the 4096ths of a millisecond since 1970, in the form
// milliseconds<<12 | fraction.
func tickOf(t time.Time) uint64 {
	fraction := uint64(t.Nanosecond()%int(time.Millisecond)) << 12 / uint64(time.Millisecond) //nolint:gosec // not negative
	return uint64(t.UnixMilli())<<12 | fraction                                               // t is after 1970
}

// setTick sets the time, and the version and the variant of a UUIDv7. The random
// bits stay.
func (id *ID) setTick(tick uint64) {
	binary.BigEndian.PutUint64(id[:8], tick>>12<<16|7<<12|tick&0xfff)
	id[8] = id[8]&0x3f | 0x80
}

// IDs makes ids that rise strictly within one process, also when the clock
// stands still or steps back: the 12 bits after the millisecond are a fraction of it
// (RFC 9562, section 6.2, method 3), and a tick that is not past the last one is
// replaced by the last one plus one.
type IDs struct {
	now    func() time.Time
	random func([]byte)

	mu   sync.Mutex
	last uint64 // milliseconds<<12 | fraction
}

// NewIDs makes a source of ids from a clock and a source of random bytes.
func NewIDs(now func() time.Time, random func([]byte)) *IDs {
	return &IDs{now: now, random: random}
}

// Next makes an id greater than every one before it.
func (s *IDs) Next() ID {
	var id ID
	s.random(id[8:])

	s.mu.Lock()
	tick := max(tickOf(s.now()), s.last+1)
	s.last = tick
	s.mu.Unlock()

	id.setTick(tick)
	return id
}

// Observe makes every later id greater than the given one, so that a store
// reopened after the clock stepped back still hands out rising ids.
func (s *IDs) Observe(id ID) {
	head := binary.BigEndian.Uint64(id[:8])
	tick := head>>16<<12 | head&0xfff
	s.mu.Lock()
	s.last = max(s.last, tick)
	s.mu.Unlock()
}
