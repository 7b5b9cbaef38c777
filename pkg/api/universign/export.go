package universign

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

// Exports keeps files for those who ask for them, for a short while.
type Exports interface {
	// Put keeps a file of so many bytes under a name, and answers the address at which
	// whoever has it can fetch the file during the next minutes, as an attachment with
	// the file name.
	Put(ctx context.Context, name string, file io.ReadSeeker, size int64, attachment string) (address string, err error)
}

const (
	csvType = "text/csv; charset=utf-8; header=present"
	csvName = "events.csv"
	// exportPage is how many events are read before those that match are sent.
	exportPage = 200
	// pageTimeout is how long reading a page and sending it may take.
	pageTimeout = time.Minute
	// maxExportAnswer bounds an export that is answered at once where answers are not
	// streamed.
	maxExportAnswer = 4 << 20
	// exportTimeout bounds the making of an export there: API Gateway waits 30 s.
	exportTimeout = 20 * time.Second
	// keepTimeout bounds the keeping of it, likewise.
	keepTimeout = 7 * time.Second
)

// prefersCSV reports whether a request would rather have CSV than JSON (RFC 9110,
// section 12.5.1).
func prefersCSV(accept []string) bool {
	csv, json := 0.0, 0.0
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(entry))
		if err != nil {
			continue
		}
		quality := 1.0
		if text, given := params["q"]; given {
			if quality, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch media {
		case "text/csv":
			csv = quality
		case "application/json":
			json = quality
		}
	}
	return csv > 0 && csv >= json
}

// export answers all events that match as CSV, the newest first; where the request
// has a limit, so many of them. A HEAD makes none of it.
func (e *Events) export(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	q := &input.Query{Request: r}
	filter, limit := eventFilterOf(q, p), 0
	if q.One(paramLimit) != "" {
		limit = q.Limit(paramLimit, usualPage, maxPage)
	}
	if err := q.Err(); err != nil {
		return err
	}
	if r.Method == http.MethodHead { // the head is known without the work
		exportHeaders(w.Header())
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if e.Exports != nil {
		return e.keepExport(w, r, filter, limit)
	}
	return e.streamExport(w, r, filter, limit)
}

// eachPage calls take for the pages of what matches, once at least. A limit of 0 is
// none.
func (e *Events) eachPage(ctx context.Context, f eventFilter, limit int, take func([]*hermod.Event) error) error {
	about := exportPage
	if limit > 0 && f.apiKey == "" {
		about = limit
	}
	r := newEventReader(e.Store, f, about, math.MaxInt)
	for taken, last := 0, false; !last; {
		var page []*hermod.Event
		for n := 0; n < exportPage && !last; n++ {
			event, err := r.next(ctx)
			if err != nil {
				return err
			}
			if event != nil && f.wants(event) {
				page = append(page, event)
				taken++
			}
			last = event == nil || (limit > 0 && taken == limit)
		}
		if err := take(page); err != nil {
			return err
		}
	}
	return nil
}

func exportHeaders(h http.Header) {
	h.Set("Content-Type", csvType)
	h.Set("Content-Disposition", `attachment; filename="`+csvName+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
}

// streamExport sends each page as it is read. A connection lives as long as its pages
// come and go in time.
func (e *Events) streamExport(w http.ResponseWriter, r *http.Request, f eventFilter, limit int) error {
	conn := http.NewResponseController(w)
	out := newEventTable(w)
	begun := false
	err := e.eachPage(r.Context(), f, limit, func(page []*hermod.Event) error {
		// The server's own deadlines are those of short answers. That of reading
		// would end the request's context.
		deadline := e.Now().Add(pageTimeout)
		if err := errors.Join(supported(conn.SetWriteDeadline(deadline)), supported(conn.SetReadDeadline(deadline))); err != nil {
			return fmt.Errorf("extending the deadline: %w", err)
		}
		if !begun { // an error of the first page still is an answer of its own
			exportHeaders(w.Header())
			begun = true
		}
		if err := out.write(page); err != nil {
			return fmt.Errorf("writing the export: %w", err)
		}
		return supported(conn.Flush())
	})
	if err != nil && begun {
		// What was sent must not look whole: the connection is cut off before its end.
		err = errors.Join(err, supported(conn.SetWriteDeadline(time.Unix(1, 0))))
	}
	return err
}

// supported is err but for what a writer cannot do, such as one that a test reads.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// keepExport makes the whole export before it answers, for what answers in one piece:
// with the export itself, or with where it is kept.
func (e *Events) keepExport(w http.ResponseWriter, r *http.Request, f eventFilter, limit int) (err error) {
	file := &spool{most: maxExportAnswer}
	defer func() { err = errors.Join(err, file.close()) }()
	ctx, cancel := context.WithTimeout(r.Context(), exportTimeout)
	defer cancel()
	out := newEventTable(file)
	if err := e.eachPage(ctx, f, limit, out.write); err != nil {
		if ctx.Err() != nil && r.Context().Err() == nil {
			return &hermod.Error{Code: hermod.CodeTooLarge, Message: "the export has too many events; ask for a shorter period", Err: err}
		}
		return err
	}
	if file.spilled == nil {
		exportHeaders(w.Header())
		if _, err := w.Write(file.memory.Bytes()); err != nil {
			return fmt.Errorf("writing the export: %w", err)
		}
		return nil
	}
	var name [16]byte
	e.Random(name[:])
	whole, size, err := file.read()
	if err != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(r.Context(), keepTimeout)
	defer cancel()
	address, err := e.Exports.Put(ctx, f.account+"/"+hex.EncodeToString(name[:])+".csv", whole, size, csvName)
	if err != nil {
		return fmt.Errorf("keeping the export: %w", err)
	}
	h := w.Header()
	h.Set("Location", address)
	h.Set("Cache-Control", "no-store") // whoever has the address has the events
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
