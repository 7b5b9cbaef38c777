package signicat

import (
	"net/http"
	"net/url"
	"strings"

	"hermod/pkg/api"
	"hermod/pkg/api/input"
)

// A page is a part of a list, and the link to the next one.
type page[T any] struct {
	Data []T      `json:"data"`
	Next nullable `json:"next"`
}

// maxListPage bounds a page of a list, and is its usual size.
const maxListPage = 100

// A pager is what a request says of the page that it wants.
type pager struct {
	request *http.Request
	cursors api.Cursors
	scope   []string
	limit   int
	// position is where the page before ended; "" for the first one.
	position string
}

// readPager reads limit and page. The cursor is bound to the scope: the list, its
// owner and its filters.
func readPager(r *http.Request, cursors api.Cursors, scope ...string) (*pager, error) {
	p := &pager{request: r, cursors: cursors, scope: scope}
	q := input.Query{Request: r}
	p.limit = q.Limit("limit", maxListPage, maxListPage)
	cursor := q.One("page")
	if err := q.Err(); err != nil {
		return nil, err
	}
	if cursor == "" {
		return p, nil
	}
	var err error
	p.position, err = cursors.Read(r.Context(), scope, "page", cursor)
	return p, err
}

// writePage answers a page of the rows, which begin after the pager's position. More
// rows than its limit tell of a next page. order gives the position of a row.
func writePage[R, T any](w http.ResponseWriter, p *pager, list string, rows []R, order func(R) string, show func(R) T) error {
	shown := rows[:min(p.limit, len(rows))]
	answer := page[T]{Data: make([]T, len(shown))}
	for i, row := range shown {
		answer.Data[i] = show(row)
	}
	if len(rows) > p.limit {
		cursor, err := p.cursors.Make(p.request.Context(), p.scope, order(shown[len(shown)-1]))
		if err != nil {
			return err
		}
		answer.Next = nullable(nextPage(p.request, list, "page", cursor))
	}
	return api.WriteJSON(w, http.StatusOK, answer)
}

// nextPage is a link to the same list with another cursor.
func nextPage(r *http.Request, list, parameter, cursor string) string {
	query := url.Values{}
	for key, values := range r.URL.Query() {
		if !strings.EqualFold(key, parameter) {
			query[key] = values
		}
	}
	query.Set(parameter, cursor)
	return list + "?" + query.Encode()
}
