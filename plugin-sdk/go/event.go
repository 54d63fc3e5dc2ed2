package plugbus

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"plugbus/internal/deep"
)

// Media types of what a handler returns or publishes.
const (
	ContentTypeJSON  = "application/json"
	ContentTypeText  = "text/plain; charset=utf-8"
	ContentTypeBytes = "application/octet-stream"
)

// Event is one event as one plugin sees it: the attributes of CloudEvents 1.0, with type called Topic.
type Event struct {
	// ID is unique together with Source. A repeated delivery carries the same one: use it to recognise doubles.
	ID string
	// Source says who published it. Publishers outside name themselves: no proof of who it was.
	Source string
	// Topic is dot-separated tokens, for example hook.pre-tool-use.bash.
	Topic string
	// Subject says what it is about, for example a session id; empty where there is none.
	Subject string
	// Time says when it happened.
	Time time.Time
	// ContentType is the media type of the data.
	ContentType string
	// Data is what was published, byte for byte; empty where there is none.
	Data []byte
	// Extensions are CloudEvents extension attributes; traceparent (W3C Trace Context) travels here.
	Extensions map[string]string
	// Attempt is 1 for the first attempt to deliver this event to this plugin, 2 for the first repetition.
	Attempt int
}

// JSON reads the data into v, as encoding/json does. The error, a *DataError, names the topic and the place; returned by a handler it
// rejects the event.
func (e Event) JSON(v any) error {
	if deep.TooDeep(e.Data) {
		return &DataError{Topic: e.Topic, Err: errDepth}
	}
	if err := json.Unmarshal(e.Data, v); err != nil {
		return &DataError{Topic: e.Topic, Err: err}
	}
	return nil
}

// IsTick says whether it is a tick: the host's sign that time has passed, which a plugin gets whose manifest has a tick_ms, whatever its
// filters.
func (e Event) IsTick() bool { return strings.HasPrefix(e.Topic, "plugbus.tick.") }

// Text is the data as text. The error is a *DataError where it is not UTF-8.
func (e Event) Text() (string, error) {
	if !utf8.Valid(e.Data) {
		return "", &DataError{Topic: e.Topic, Err: errNoText}
	}
	return string(e.Data), nil
}

// Payload is data with its media type, for replies and publishes where a plain value is not enough. An empty ContentType means
// application/octet-stream.
type Payload struct {
	ContentType string
	Data        []byte
}

// payloadOf is what a handler's answer and what it publishes go through.
func payloadOf(value any) (Payload, error) {
	switch value := value.(type) {
	case Payload:
		return value, nil
	case *Payload:
		if value == nil {
			return Payload{}, nil
		}
		return *value, nil
	case string:
		return Payload{ContentTypeText, []byte(value)}, nil
	case []byte:
		return Payload{ContentTypeBytes, value}, nil
	case json.RawMessage:
		return Payload{ContentTypeJSON, value}, nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return Payload{}, fmt.Errorf("no JSON can be made of a %T: %w", value, err)
	}
	return Payload{ContentTypeJSON, data}, nil
}
