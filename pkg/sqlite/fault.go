package sqlite

import (
	"errors"

	"modernc.org/sqlite"

	"hermod/pkg/hermod"
)

// Result codes of SQLite (sqlite.org/rescode.html) that speak of the moment, not of what
// was asked: no room, a disk that fails, a file that somebody else has. An extended code
// has its primary one in its lowest byte.
const (
	sqliteIOErr    = 10
	sqliteFull     = 13
	sqliteCantOpen = 14
	primaryCode    = 0xff
)

// momentary gives a fault of the moment the code that says so. It may be gone when the
// same is asked again.
func momentary(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & primaryCode {
	case sqliteBusy, sqliteIOErr, sqliteFull, sqliteCantOpen:
		return &hermod.Error{Code: hermod.CodeUnavailable, Message: "the database is not available at the moment; try again", Err: err}
	default:
		return err
	}
}
