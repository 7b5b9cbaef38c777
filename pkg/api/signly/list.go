package signly

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

// The sizes of a page. The vendor names the bounds; that the usual size is the one of
// the example is inferred.
const (
	maxPage   = 100
	usualPage = 10
)

// A listing is what a request asks of the list of webhooks. The names of the parameters
// besides limit, status and sort are inferred: the vendor says that there are filters by
// URL and by when a webhook was updated, and not how they are called.
type listing struct {
	limit  int
	status string
	url    string
	// from is inclusive, to exclusive; zero is no bound.
	from, to time.Time
	// by is what the list is sorted by, with a minus before it for descending.
	by     string
	cursor string
}

// The orders of the list.
const (
	byURL        = "url"
	byUpdatedAt  = "updatedAt"
	defaultOrder = "-" + byUpdatedAt // inferred
)

func readListing(r *http.Request) (listing, error) {
	q := input.Query{Request: r}
	l := listing{
		limit: q.Limit("limit", usualPage, maxPage), status: q.One("status"), url: q.One("url"), by: q.One("sort"), cursor: q.One("cursor"),
	}
	if l.by == "" {
		l.by = defaultOrder
	}
	q.Check("status", l.status == "" || l.status == enabled || l.status == disabled, "must be "+enabled+" or "+disabled)
	order := strings.TrimPrefix(l.by, "-")
	q.Check("sort", order == byURL || order == byUpdatedAt, "must be updatedAt or url, with - before it for descending")
	l.from, _ = q.Time("updatedFrom")
	l.to, _ = q.Time("updatedTo")
	return l, q.Err()
}

// scope binds a cursor to the list, its owner, its filters and its order.
func (l *listing) scope(p *hermod.Principal) []string {
	return []string{
		"signly webhooks", p.Account, p.Tenant, l.status, l.url, l.by, l.from.UTC().Format(time.RFC3339Nano), l.to.UTC().Format(time.RFC3339Nano),
	}
}

// An entry is a webhook and its place in the list.
type entry struct {
	subscription *hermod.Subscription
	url, place   string
}

// list answers a page of the tenant's webhooks. What is changed between two pages may
// have moved past the cursor.
func (h *Webhooks) list(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	l, err := readListing(r)
	if err != nil {
		return err
	}
	var position string
	if l.cursor != "" {
		if position, err = h.Cursors.Read(r.Context(), l.scope(p), "cursor", l.cursor); err != nil {
			return err
		}
	}
	all, err := h.entries(r.Context(), p, &l)
	if err != nil {
		return err
	}
	all = l.arrange(all, position)
	page := all[:min(l.limit, len(all))]
	data := make([]summary, len(page))
	for i, e := range page {
		if err := h.open(r.Context(), e); err != nil {
			return err
		}
		data[i] = summary{e.subscription.ID, e.url, statusOf(e.subscription), e.subscription.Version}
	}
	var last string
	if len(page) > 0 {
		last = page[len(page)-1].place
	}
	pages, err := paginate(r.Context(), h.Cursors, l.scope(p), paging{l.limit, l.cursor != "", len(all) > len(page), last})
	if err != nil {
		return err
	}
	return answer(w, r, h.Now(), listed, data, pages)
}

// entries are the webhooks that the filters let through. Only where their URLs count
// are all of them opened.
func (h *Webhooks) entries(ctx context.Context, p *hermod.Principal, l *listing) ([]*entry, error) {
	subscriptions, err := subscription.List(ctx, h.Store, p.Account, shownTo(p))
	if err != nil {
		return nil, err
	}
	ordersURL := strings.TrimPrefix(l.by, "-") == byURL
	var all []*entry
	for _, s := range subscriptions {
		if l.status != "" && statusOf(s) != l.status ||
			s.UpdatedAt.Before(l.from) || !l.to.IsZero() && !s.UpdatedAt.Before(l.to) {
			continue
		}
		e := &entry{subscription: s, place: fmt.Sprintf("%020d %s", s.UpdatedAt.UnixNano(), s.ID)}
		if l.url != "" || ordersURL {
			if err := h.open(ctx, e); err != nil {
				return nil, err
			}
			if l.url != "" && e.url != l.url {
				continue
			}
		}
		if ordersURL {
			e.place = e.url + " " + s.ID // a URL has no space
		}
		all = append(all, e)
	}
	return all, nil
}

// open finds the URL of an entry, which is a secret in the store.
func (h *Webhooks) open(ctx context.Context, e *entry) (err error) {
	if e.url != "" {
		return nil
	}
	if e.subscription, err = subscription.Open(ctx, h.Store, e.subscription); err != nil {
		return err
	}
	set, err := settingsOf(e.subscription)
	e.url = set.URL
	return err
}

// arrange sorts the entries and leaves out those up to the position of a cursor.
func (l *listing) arrange(all []*entry, position string) []*entry {
	sign := 1
	if strings.HasPrefix(l.by, "-") {
		sign = -1
	}
	all = slices.DeleteFunc(all, func(e *entry) bool {
		return position != "" && sign*strings.Compare(e.place, position) <= 0
	})
	slices.SortFunc(all, func(a, b *entry) int { return sign * strings.Compare(a.place, b.place) })
	return all
}

// paging is where a page stands in its list.
type paging struct {
	limit int
	// follows says that another page was before this one, more that one comes after.
	follows, more bool
	// last is the place of the page's last row.
	last string
}

// paginate is the pagination of a page; nil where it is the whole list.
func paginate(ctx context.Context, cursors api.Cursors, scope []string, p paging) (*pagination, error) {
	if !p.follows && !p.more {
		return nil, nil //nolint:nilnil // null is what the envelope says then
	}
	pages := &pagination{Limit: p.limit, HasMore: p.more}
	if p.more {
		next, err := cursors.Make(ctx, scope, p.last)
		if err != nil {
			return nil, err
		}
		pages.NextCursor = &next
	}
	return pages, nil
}
