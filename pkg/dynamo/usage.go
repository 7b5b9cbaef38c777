package dynamo

import (
	"context"
	"slices"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// bySubject is the index of events that have a subject, and of those that have
// units: a partition for each subject of an account, and one for all of its units.
// It holds the units and the time to live beside the keys, so that units are summed
// up without reading events.
const bySubject = "by-subject"

// The partitions of bySubject, and that of an account's sums. '#' is in no account,
// and the shard comes last, so that no subject makes the name of another partition.
func subjectPK(account, subject string, shard int) string {
	return sharded(account+"#subject#"+subject, shard)
}

// subjectOf is the subject of an account's partition that subjectPK made, "" for any
// other one.
func subjectOf(account, pk string) string {
	subject, ok := strings.CutPrefix(unsharded(pk), account+"#subject#")
	if !ok {
		return ""
	}
	return subject
}

func usagePK(account string, shard int) string { return sharded(account+"#usage", shard) }
func sumsPK(account string, shard int) string  { return sharded(account+"#sums", shard) }

// Units are summed over hours that have ended usageHorizon ago, and kept: an entry
// that appears later in such an hour would be missing for good, so this is far more
// than the indexHorizon of a tail.
const (
	usageHour    = time.Hour
	usageHorizon = 15 * time.Minute
	// usagePiece is how many hours without a sum are read one after the other;
	// pieces are read side by side.
	usagePiece = 24
	// sumsWorth is for how long a sum must stay right to be kept.
	sumsWorth = time.Hour
)

// WithUsagePage gives a Store that reads n index entries of used units at a time. It
// is for tests, whose logs are too short to fill the pages of 1 MB that DynamoDB
// makes.
func (s *Store) WithUsagePage(n int32) *Store {
	paged := *s
	paged.usagePage = &n
	return &paged
}

// Usage sums up what the events of an account used up, by kind and level, from the
// index alone: an event is counted within a second or so of its put.
//
// What fits into one page of the index, about 7,000 events, takes one request.
// Beyond that, whole hours are read from their sums, which this makes and keeps as
// it comes by, and what is left at the two ends from the index.
func (s *Store) Usage(ctx context.Context, q hermod.UsageQuery) ([]hermod.Unit, error) {
	sums, now := make([]hermod.Usage, s.shards()), s.now()
	err := forEach(ctx, len(sums), func(ctx context.Context, n int) (err error) {
		u := usageReader{store: s, account: q.Account, shard: n, now: now}
		sums[n], err = u.read(ctx, q)
		return err
	})
	if err != nil {
		return nil, wrap("summing up usage", err)
	}
	total := hermod.Usage{}
	for _, sum := range sums {
		total.Add(sum.Units()...)
	}
	return total.Units(), nil
}

// A usageReader sums up the units of an account in one shard.
type usageReader struct {
	store   *Store
	account string
	shard   int
	now     time.Time
}

// A usageSum is the sum of what is kept of a span of time.
type usageSum struct {
	hermod.Usage
	// until is when the first of the events is forgotten, and the sum is right no
	// more; zero for never.
	until time.Time
}

func newUsageSum() *usageSum { return &usageSum{Usage: hermod.Usage{}} }

func (s *usageSum) add(units []hermod.Unit, until time.Time) {
	s.Add(units...)
	if s.until.IsZero() || (!until.IsZero() && until.Before(s.until)) {
		s.until = until
	}
}

func (u *usageReader) read(ctx context.Context, q hermod.UsageQuery) (hermod.Usage, error) {
	lo, hi := eventBounds(hermod.EventQuery{Above: q.Above, Below: q.Below})
	total := newUsageSum()
	first := hermod.ID{}
	count := func(id hermod.ID, units []hermod.Unit, until time.Time) {
		if first.IsZero() {
			first = id
		}
		total.add(units, until)
	}
	next, err := u.page(ctx, u.entries(lo, hi), nil, count)
	if err != nil || next == nil {
		return total.Usage, err
	}
	from, to := u.wholeHours(q, first)
	if !from.Before(to) {
		err := u.pages(ctx, u.entries(lo, hi), next, count)
		return total.Usage, err
	}
	ends := []usagePart{{lo: firstKey(to), hi: hi}}
	if first.Time().Before(from) { // else there is nothing before the whole hours
		ends = append(ends, usagePart{lo: lo, hi: firstKey(from)})
	}
	return u.byHours(ctx, from, to, ends)
}

// wholeHours are those within the bounds that are settled, from the first entry on,
// which may be of an hour that is not whole.
func (u *usageReader) wholeHours(q hermod.UsageQuery, first hermod.ID) (from, to time.Time) {
	from = first.Time().Truncate(usageHour)
	if !q.Above.IsZero() && !from.After(q.Above.Time()) {
		from = from.Add(usageHour)
	}
	to = u.now.Add(-usageHorizon)
	if !q.Below.IsZero() && q.Below.Time().Before(to) {
		to = q.Below.Time()
	}
	return from, to.Truncate(usageHour)
}

// entries are those of the index between two sort keys, both exclusive.
func (u *usageReader) entries(lo, hi string) span {
	return span{
		table: u.store.tables.Events, index: bySubject, pkName: "subjectPK", skName: "SK",
		pk: usagePK(u.account, u.shard), lo: lo, hi: hi, ascending: true,
	}
}

// page reads one page of entries from start on, and answers where the next one
// starts, nil for the end. Entries past their retention are passed over.
func (u *usageReader) page(ctx context.Context, sp span, start item, count func(hermod.ID, []hermod.Unit, time.Time)) (item, error) {
	if sp.lo >= sp.hi { // DynamoDB refuses such a condition
		return nil, nil
	}
	in := sp.input(start)
	in.Limit = u.store.usagePage
	out, err := u.store.db.Query(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, it := range out.Items {
		row := reader{item: it}
		if sk := row.str("SK"); sk == sp.lo || sk == sp.hi {
			continue
		}
		k, err := eventKeyOf(keyOf(it))
		if err != nil {
			return nil, err
		}
		until := row.retainUntil()
		units, err := hermod.ParseUnits(row.str("u"))
		row.fail("u", err)
		if row.err != nil {
			return nil, row.err
		}
		if until.IsZero() || u.now.Before(until) {
			count(k.ID, units, until)
		} else {
			count(k.ID, nil, time.Time{})
		}
	}
	if len(out.LastEvaluatedKey) == 0 {
		return nil, nil
	}
	return out.LastEvaluatedKey, nil
}

// pages reads all pages of entries from start on.
func (u *usageReader) pages(ctx context.Context, sp span, start item, count func(hermod.ID, []hermod.Unit, time.Time)) error {
	for {
		next, err := u.page(ctx, sp, start, count)
		if err != nil || next == nil {
			return err
		}
		start = next
	}
}

// hourKey is the sort key of the sum of an hour. As a text it sorts as hours do.
func hourKey(start time.Time) string { return start.UTC().Format("2006-01-02T15") }

// firstKey is a sort key below those of all entries of a moment on.
func firstKey(t time.Time) string { return hermod.FirstIDAt(t).String()[:12] }

// byHours reads the hours from one to the other from their sums, and the index where
// there is no sum, and for the ends.
func (u *usageReader) byHours(ctx context.Context, from, to time.Time, ends []usagePart) (hermod.Usage, error) {
	known, err := u.known(ctx, from, to)
	if err != nil {
		return nil, err
	}
	total := hermod.Usage{}
	var pieces []usagePart
	for hour := from; hour.Before(to); hour = hour.Add(usageHour) {
		if sum := known[hour.Unix()]; sum != nil {
			total.Add(sum.Units()...)
			continue
		}
		last := len(pieces) - 1
		if last >= 0 && pieces[last].to.Equal(hour) && hour.Sub(pieces[last].from) < usagePiece*usageHour {
			pieces[last].to = hour.Add(usageHour)
			continue
		}
		pieces = append(pieces, usagePart{from: hour, to: hour.Add(usageHour)})
	}
	for i := range pieces {
		pieces[i].lo, pieces[i].hi = firstKey(pieces[i].from), firstKey(pieces[i].to)
	}
	parts := slices.Concat(ends, pieces)
	sums := make([]hermod.Usage, len(parts))
	err = forEach(ctx, len(parts), func(ctx context.Context, i int) (err error) {
		sums[i], err = u.part(ctx, parts[i])
		return err
	})
	for _, sum := range sums {
		total.Add(sum.Units()...)
	}
	return total, err
}

// A usagePart is what is read from the index between two sort keys. Where it has
// hours, it is exactly those from one to the other, and their sums are kept.
type usagePart struct {
	lo, hi   string
	from, to time.Time
}

func (u *usageReader) part(ctx context.Context, p usagePart) (hermod.Usage, error) {
	total, hours := newUsageSum(), map[int64]*usageSum{}
	for hour := p.from; hour.Before(p.to); hour = hour.Add(usageHour) {
		hours[hour.Unix()] = newUsageSum()
	}
	err := u.pages(ctx, u.entries(p.lo, p.hi), nil, func(id hermod.ID, units []hermod.Unit, until time.Time) {
		total.add(units, until)
		if sum := hours[id.Time().Truncate(usageHour).Unix()]; sum != nil {
			sum.add(units, until)
		}
	})
	if err != nil || len(hours) == 0 {
		return total.Usage, err
	}
	return total.Usage, u.keep(ctx, hours)
}

// keep writes sums. Whoever else sums up the same hours writes the same rows: the log
// does not change behind its horizon but for what is forgotten, and before that the
// sum is. An hour in which nothing was used gets a row too, so that the hours around
// it stay one piece.
func (u *usageReader) keep(ctx context.Context, hours map[int64]*usageSum) error {
	var rows []item
	for start, sum := range hours {
		until := sum.until
		if len(sum.Usage) == 0 && until.IsZero() {
			until = time.Unix(start, 0).Add(hermod.DefaultRetention)
		}
		if !until.IsZero() && until.Before(u.now.Add(sumsWorth)) {
			continue
		}
		row := key{sumsPK(u.account, u.shard), hourKey(time.Unix(start, 0))}.item()
		row.text("u", hermod.FormatUnits(sum.Units()))
		row.retain(until)
		rows = append(rows, row)
	}
	return u.store.putAll(ctx, u.store.tables.Events, rows)
}

// known reads the sums of the hours from one to the other that are right still, by
// the start of the hour.
func (u *usageReader) known(ctx context.Context, from, to time.Time) (map[int64]*usageSum, error) {
	type sumOf struct {
		start int64
		*usageSum
	}
	decode := func(it item) (sumOf, bool, error) {
		row := reader{item: it}
		start, err := time.Parse("2006-01-02T15", row.str("SK"))
		row.fail("SK", err)
		sum := newUsageSum()
		units, err := hermod.ParseUnits(row.str("u"))
		row.fail("u", err)
		sum.add(units, row.retainUntil())
		return sumOf{start.Unix(), sum}, sum.until.IsZero() || u.now.Before(sum.until), row.err
	}
	st := &stream[sumOf]{decode: decode, span: span{
		table: u.store.tables.Events, pkName: "PK", skName: "SK", pk: sumsPK(u.account, u.shard), ascending: true,
		lo: hourKey(from.Add(-usageHour)), hi: hourKey(to), page: maxPage,
	}}
	known := map[int64]*usageSum{}
	for {
		st.buffer = nil
		if err := st.fill(ctx, u.store.db); err != nil {
			return nil, err
		}
		for _, sum := range st.buffer {
			known[sum.start] = sum.usageSum
		}
		if st.done {
			return known, nil
		}
	}
}
