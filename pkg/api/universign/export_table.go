package universign

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// eventColumns are the columns of an export (inferred; wire facts, 2.2).
func eventColumns() []string {
	return []string{"id", "type", "created_at", "user_id", "apikey_id", "trace", "object", "object_id"}
}

// An eventTable writes events as CSV (RFC 4180). The row of column names comes first,
// also where there are no events.
type eventTable struct {
	out   *csv.Writer
	begun bool
}

func newEventTable(w io.Writer) *eventTable {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	return &eventTable{out: out}
}

// write writes events through to the writer below.
func (t *eventTable) write(events []*hermod.Event) error {
	if !t.begun {
		t.begun = true
		if err := t.out.Write(eventColumns()); err != nil {
			return err
		}
	}
	for _, e := range events {
		object, id := objectOf(e.Data)
		row := []string{
			EventID(e.ID), typeName(e), e.Timestamp.UTC().Format(timeLayout),
			e.Context.UserID, e.Context.APIKeyID, e.Context.TraceID, object, id,
		}
		for i := range row {
			row[i] = cell(row[i])
		}
		if err := t.out.Write(row); err != nil {
			return err
		}
	}
	t.out.Flush()
	return t.out.Error()
}

// objectOf is the kind and the id of the object that an event is about, "" where its
// data does not say.
func objectOf(data []byte) (object, id string) {
	members, err := ingest.Members(data, "object", "id")
	if err != nil {
		return "", ""
	}
	text := func(name string) (s string) {
		if json.Unmarshal(members[name], &s) != nil {
			return ""
		}
		return s
	}
	return text("object"), text("id")
}

// cell is a value that spreadsheets show and do not run: what they would take for a
// formula gets an apostrophe before it (OWASP, "CSV Injection").
func cell(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + s
	}
	return s
}

// A spool holds what is written to it, in memory up to so many bytes and in a file
// beyond.
type spool struct {
	most    int
	memory  bytes.Buffer
	spilled *os.File
}

func (s *spool) Write(p []byte) (int, error) {
	if s.spilled == nil && s.memory.Len()+len(p) <= s.most {
		return s.memory.Write(p)
	}
	if s.spilled == nil {
		file, err := os.CreateTemp("", "export-*.csv")
		if err != nil {
			return 0, fmt.Errorf("making a file for the export: %w", err)
		}
		s.spilled = file
		if _, err := s.memory.WriteTo(file); err != nil {
			return 0, err
		}
	}
	return s.spilled.Write(p)
}

// read gives what was spilled from its start, and its size in bytes.
func (s *spool) read() (io.ReadSeeker, int64, error) {
	size, err := s.spilled.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = s.spilled.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the export again: %w", err)
	}
	return s.spilled, size, nil
}

func (s *spool) close() error {
	if s.spilled == nil {
		return nil
	}
	return errors.Join(s.spilled.Close(), os.Remove(s.spilled.Name()))
}
