package plugbus

import (
	"errors"
	"fmt"
	"time"

	"plugbus/internal/deep"
)

// RetryError says: not now, bring the event again later.
type RetryError struct {
	// Reason is for people: it goes into logs and, after the last attempt of the policy, the dead letter.
	Reason string
	// After is how long to wait; the host bounds it (5 minutes by default). Negative leaves it to the policy: 100 ms, doubling.
	After time.Duration
}

func (e *RetryError) Error() string { return e.Reason }

// Retry makes a [*RetryError] that leaves the delay to the policy.
func Retry(reason string) error { return &RetryError{reason, -1} }

// RetryAfter makes a [*RetryError] with a delay of the plugin's choice.
func RetryAfter(after time.Duration, reason string) error { return &RetryError{reason, max(after, 0)} }

// RejectError says: never. The event becomes a dead letter at once, with this reason. It is what any other error becomes.
type RejectError struct {
	Reason string
}

func (e *RejectError) Error() string { return e.Reason }

// Reject makes a [*RejectError].
func Reject(reason string) error { return &RejectError{reason} }

// What a [*PublishError] is, for errors.Is. Nothing was staged by the call; what was staged before stays staged.
var (
	// ErrDenied: the manifest's publish filters do not cover the topic, or it is the host's own (plugbus.), or no event is being handled.
	ErrDenied = errors.New("publish denied")
	// ErrInvalid: the topic, content type or an extension is malformed, or the data is over 1 MiB (by default).
	ErrInvalid = errors.New("publish of a malformed event")
	// ErrOverLimit: over the number or bytes of publishes for one event (64 and 1 MiB by default).
	ErrOverLimit = errors.New("publish over the limit")
)

// PublishError is why the host did not take an event.
type PublishError struct {
	// Kind is ErrDenied, ErrInvalid or ErrOverLimit.
	Kind error
	// Detail is what the host said.
	Detail string
}

func (e *PublishError) Error() string { return fmt.Sprintf("%v: %s", e.Kind, e.Detail) }

// Unwrap makes errors.Is work with the kinds.
func (e *PublishError) Unwrap() error { return e.Kind }

// DataError is data that is not what was asked for.
type DataError struct {
	Topic string
	Err   error
}

func (e *DataError) Error() string {
	what := "no JSON of that shape"
	if errors.Is(e.Err, errNoText) {
		what = "no text"
	}
	return fmt.Sprintf("event on `%s`: the data is %s: %v", e.Topic, what, e.Err)
}

// Unwrap gives the cause.
func (e *DataError) Unwrap() error { return e.Err }

var (
	errNoText = errors.New("it is no UTF-8")
	errDepth  = fmt.Errorf("nested more than %d deep", deep.Max)
)
