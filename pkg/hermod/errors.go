package hermod

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Code says what kind of thing went wrong. The list is closed: each dialect
// maps every code to its own status and body in one table.
type Code string

// The codes. Only Internal is a fault of Hermod and logged as an error.
const (
	CodeInvalid            Code = "invalid"
	CodeUnauthorized       Code = "unauthorized"
	CodeForbidden          Code = "forbidden"
	CodeNotFound           Code = "not_found"
	CodeConflict           Code = "conflict"
	CodePreconditionFailed Code = "precondition_failed"
	CodeTooLarge           Code = "too_large"
	CodeTooManyRequests    Code = "too_many_requests"
	CodeUnavailable        Code = "unavailable"
	CodeInternal           Code = "internal"
)

// An Error is a failure that a caller may be told about: Message and Fields are
// written for the caller, Err is for the log alone.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError
	Err     error
	// RetryAfter is how long the caller had better wait; 0 for what the code says.
	RetryAfter time.Duration
}

// A FieldError names one member of the input and what is wrong with it.
type FieldError struct {
	// Name is the path of the member as the caller wrote it, such as
	// "events[2].sender".
	Name   string
	Reason string
}

// Errorf makes an Error of the code with a message for the caller. It wraps
// nothing: the text of a cause would become part of the message. An Error with a
// cause is made as a literal, with Err set.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidFields makes an Error of CodeInvalid that names each offending member.
func InvalidFields(fields ...FieldError) *Error {
	return &Error{Code: CodeInvalid, Message: "the input has failed validation", Fields: fields}
}

func (e *Error) Error() string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s: %s %s", e.Message, e.Fields[0].Name, e.Fields[0].Reason)
}

func (e *Error) Unwrap() error { return e.Err }

// LogError is err as the attribute "error" of a log line, with the causes that are
// kept from callers.
func LogError(err error) slog.Attr { return slog.String("error", Detail(err)) }

// Detail is the text of err with the causes that its Errors keep from the caller.
// It is for logs.
func Detail(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	for e, ok := errors.AsType[*Error](err); ok && e.Err != nil; e, ok = errors.AsType[*Error](e.Err) {
		text += ": " + e.Err.Error()
	}
	return text
}

// CodeOf gives the code of the nearest Error in err's chain, CodeInternal where
// there is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
