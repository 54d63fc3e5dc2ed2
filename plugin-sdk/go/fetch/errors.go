package fetch

import (
	"context"
	"fmt"

	"plugbus"
)

// Code is why there is no answer, under the name that it has in every SDK.
type Code string

const (
	// Invalid: the method, URL or a header is malformed. Nothing was sent.
	Invalid Code = "invalid"
	// Denied: the manifest does not grant this origin.
	Denied Code = "denied"
	// TimedOut: no answer within the time.
	TimedOut Code = "timed-out"
	// Connection: no connection, or one that broke; or more requests than an event may send.
	Connection Code = "connection"
)

// Error is why a request got no answer. Returned by a handler it is a [plugbus.RetryError] where IsTransient, else it rejects the
// event.
type Error struct {
	Code Code
	// Detail says what happened, and what to do about it.
	Detail string
}

func (e *Error) Error() string { return fmt.Sprintf("fetch: %s: %s", e.Code, e.Detail) }

// IsTransient says whether the same request may fare better later: after TimedOut and Connection.
func (e *Error) IsTransient() bool { return e.Code == TimedOut || e.Code == Connection }

// Timeout says whether the time was up, as the errors of package net do.
func (e *Error) Timeout() bool { return e.Code == TimedOut }

// Unwrap says what the error means for the event; where the time was up it is context.DeadlineExceeded too.
func (e *Error) Unwrap() []error {
	var is []error
	if e.IsTransient() {
		is = append(is, plugbus.Retry(e.Error()))
	}
	if e.Timeout() {
		is = append(is, context.DeadlineExceeded)
	}
	return is
}

func invalid(format string, parts ...any) error {
	return &Error{Invalid, fmt.Sprintf(format, parts...)}
}

// NotGranted is the error with the code Denied for an origin, for plugbustest; why is the host's word for it.
func NotGranted(why, origin string) *Error {
	return &Error{Denied, fmt.Sprintf("%s: the manifest does not let the plugin send this to %s: [grants] http = [%q]; a secret goes to its origins only", why, origin, origin)}
}
