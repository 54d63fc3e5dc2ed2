//go:build !wasip1

package fetch

import "context"

func clientOf(ctx context.Context) Client {
	if client, ok := ctx.Value(clientKey{}).(Client); ok {
		return client
	}
	return noClient{}
}

// noClient is the client of a context that does not come from a handler.
type noClient struct{}

func (noClient) Send(*Sent) (*Response, error) {
	return nil, &Error{Denied, "no plugin is running; pass on the handler's context"}
}
