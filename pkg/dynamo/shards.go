package dynamo

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// MaxShards bounds the shards: a page of a log asks each of them.
const MaxShards = 64

// Shards say over how many partitions the log of an account, and that of a subscription,
// is spread: a partition takes 1,000 write units a second. The zero value is one, for
// all time.
//
// The count changes with the time in the id of an event. So where a row is follows from
// the id alone, whoever asks, and no row moves when the count does.
type Shards struct{ changes []shardChange }

// A shardChange is the count of shards for ids from a time on.
type shardChange struct {
	from  time.Time
	count int
}

// ParseShards reads a comma list of changes, such as
// "2027-01-01T00:00:00Z=8,2027-06-01T00:00:00Z=16": RFC 3339 times, each later than the
// one before, and counts from 1 to MaxShards. Nothing is one shard.
//
// A time must lie in the future when the list is deployed, and stay in the list as long as
// events from before the next one are kept: functions that disagree about where an event
// is would not find it.
func ParseShards(list string) (Shards, error) {
	var s Shards
	if list == "" {
		return s, nil
	}
	for entry := range strings.SplitSeq(list, ",") {
		when, count, _ := strings.Cut(strings.TrimSpace(entry), "=")
		from, err := time.Parse(time.RFC3339, when)
		if err != nil {
			return Shards{}, fmt.Errorf("reading shards: %q does not begin with a time such as 2027-01-01T00:00:00Z", entry)
		}
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || n > MaxShards {
			return Shards{}, fmt.Errorf("reading shards: %q does not end with a count from 1 to %d", entry, MaxShards)
		}
		if last := len(s.changes) - 1; last >= 0 && !from.After(s.changes[last].from) {
			return Shards{}, fmt.Errorf("reading shards: %q is not later than the one before it", entry)
		}
		s.changes = append(s.changes, shardChange{from: from, count: n})
	}
	return s, nil
}

// of is the shard of what the id names.
func (s Shards) of(id hermod.ID) int {
	count, at := 1, id.Time()
	for _, c := range s.changes {
		if at.Before(c.from) {
			break
		}
		count = c.count
	}
	if count == 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write(id[:]) // a hash never fails
	return int(h.Sum32()) % count
}

// most is how many shards there are at any time: what readers merge.
func (s Shards) most() int {
	most := 1
	for _, c := range s.changes {
		most = max(most, c.count)
	}
	return most
}

func (s *Store) shard(id hermod.ID) int { return s.tables.Shards.of(id) }
func (s *Store) shards() int            { return s.tables.Shards.most() }
