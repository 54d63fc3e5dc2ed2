package fetch

import (
	"context"
	"time"
)

// Sent is a request as it goes out: checked, with every default in its place.
type Sent struct {
	Method, URL string
	// Header has its names in lower case, with content-type and content-length where they are due.
	Header Header
	Body   []byte
	// Timeout is what is left of the time.
	Timeout          time.Duration
	ResponseBytesMax int

	target target
}

// Origin is where it goes, as a manifest names it: scheme, host, and the port where it is not the scheme's own.
func (s *Sent) Origin() string { return s.target.origin() }

// Client is what sends requests: the sandbox's imports in a component, the server of a test. Plugins use [Do].
type Client interface {
	Send(*Sent) (*Response, error)
}

type clientKey struct{}

// WithClient makes a context whose client this is, for plugbustest.
func WithClient(ctx context.Context, client Client) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}
