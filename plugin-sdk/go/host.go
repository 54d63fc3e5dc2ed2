package plugbus

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"unicode/utf8"
)

// Host is what a plugin may call: the sandbox's imports in a component, a recorder in a test. Plugins use [Publish] and slog.
type Host interface {
	Publish(topic string, payload Payload, extensions map[string]string) (id string, err error)
	Log(level slog.Level, scope, message string)
}

type hostKey struct{}

// WithHost makes a context whose host this is, for plugbustest.
func WithHost(ctx context.Context, host Host) context.Context {
	return context.WithValue(ctx, hostKey{}, host)
}

func hostOf(ctx context.Context) Host {
	if host, ok := ctx.Value(hostKey{}).(Host); ok {
		return host
	}
	return noHost{}
}

// noHost is the host of a context that does not come from a handler.
type noHost struct{}

func (noHost) Publish(topic string, _ Payload, _ map[string]string) (string, error) {
	return "", &PublishError{ErrDenied, "`" + topic + "`: no event is being handled; pass on the handler's context"}
}

func (noHost) Log(level slog.Level, scope, message string) {
	fmt.Fprintln(os.Stderr, level, scope, message)
}

// PublishOption sets what [Publish] cannot guess.
type PublishOption func(*draft)

type draft struct {
	payload    Payload
	extensions map[string]string
}

// ContentType sets the media type of the data.
func ContentType(contentType string) PublishOption {
	return func(d *draft) { d.payload.ContentType = contentType }
}

// Extension adds an extension attribute: a name of at most 20 lower-case ASCII letters and digits, and a value of at most 4096 bytes.
func Extension(name, value string) PublishOption {
	return func(d *draft) {
		if d.extensions == nil {
			d.extensions = map[string]string{}
		}
		d.extensions[name] = value
	}
}

// Publish stages an event and returns the id that it will have. It leaves when the handler returns without an error, in the order of
// the calls. Never waits.
//
// data is a string (text), a []byte (bytes), a json.RawMessage, a [Payload], nil (no data), or anything that encoding/json takes. The
// host sets source, time and id, and passes traceparent and subject of the handled event on. ctx is the handler's.
//
// The error is a *PublishError, or that of encoding/json.
func Publish(ctx context.Context, topic string, data any, options ...PublishOption) (string, error) {
	var made draft
	if data != nil {
		payload, err := payloadOf(data)
		if err != nil {
			return "", err
		}
		made.payload = payload
	}
	for _, option := range options {
		option(&made)
	}
	valid := utf8.ValidString(topic) && utf8.ValidString(made.payload.ContentType)
	for name, value := range made.extensions {
		valid = valid && utf8.ValidString(name) && utf8.ValidString(value)
	}
	if !valid {
		return "", &PublishError{ErrInvalid, "topic, content type or an extension is no UTF-8"}
	}
	return hostOf(ctx).Publish(topic, made.payload, made.extensions)
}
