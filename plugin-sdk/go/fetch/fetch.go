// Package fetch is a small client for HTTP. The manifest grants the origins that a plugin may reach; a plugin that does not import this
// package needs no grant.
//
//	[grants]
//	http = ["https://api.example.com"]
//
// A request waits for its answer, and holds up this plugin and nothing else in the host: no goroutine of the plugin runs meanwhile.
//
//	answer, err := fetch.Do(ctx, fetch.Request{Method: "POST", URL: "https://api.example.com/rates", Body: map[string]string{"currency": "EUR"}})
//	if err != nil {
//		return nil, err // an *Error: retries where that may help, else rejects
//	}
//	if !answer.OK() {
//		return nil, plugbus.Retry(fmt.Sprintf("no rate: %d", answer.Status))
//	}
//
// Any status is an answer. Redirections are not followed. Bounds: 4 s for the whole exchange, 64 KiB of the answer's body, 32 requests
// for an event (http_requests_max under [limits]). A placeholder of a secret may stand in the value of a header, in the path and in the
// query; the host puts the secret there.
//
// For libraries that want a net/http.Client there is package plugbus/nethttp, at the price of a component of 12 MB instead of 5.
package fetch

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugbus"
	"plugbus/internal/deep"
)

const (
	// TimeoutDefault is how long an exchange may take: below the 5 s that a handler has by default (deadline_ms under [limits]).
	TimeoutDefault = 4 * time.Second
	// ResponseBytesDefault is how much of an answer's body is read.
	ResponseBytesDefault = 64 << 10
)

// Request is what to send. Only URL must be set.
type Request struct {
	// Method, in capitals; empty is GET.
	Method string
	// URL begins with http:// or https://; what is not ASCII in it is percent-encoded.
	URL string
	// Header is sent in the order of the names, which may be of any case.
	Header Header
	// Body is a string or []byte, which are sent as they are, or anything that encoding/json takes, with its content type where Header
	// has none; nil is no body.
	Body any
	// Timeout is for the whole exchange, until the last byte that is wanted. Zero is until the deadline of the context, where it has
	// one, else TimeoutDefault. The earlier of both counts.
	Timeout time.Duration
	// ResponseBytesMax is how many bytes of the answer's body are read; what is longer is cut, see [Response]. Zero is
	// ResponseBytesDefault; below zero nothing is read.
	ResponseBytesMax int
}

// Response is what a server answered. Any status is an answer.
type Response struct {
	// Status is 100 to 599.
	Status int
	// Header has its names in lower case; bytes that are no UTF-8 are U+FFFD.
	Header Header
	Body   []byte
	// IsCut says that the body is not whole: it is longer than was wanted, or it broke off or the time was up while it was read.
	IsCut bool
}

// OK says whether the status is 200 to 299.
func (r *Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// JSON reads the body into v, as encoding/json does. Returned by a handler the error rejects the event; a body that was cut is no JSON.
func (r *Response) JSON(v any) error {
	err := fmt.Errorf("nested more than %d deep", deep.Max)
	if !deep.TooDeep(r.Body) {
		err = json.Unmarshal(r.Body, v)
	}
	if err != nil && r.IsCut {
		return fmt.Errorf("fetch: the response (cut) is no JSON: %w", err)
	}
	if err != nil {
		return fmt.Errorf("fetch: the response is no JSON: %w", err)
	}
	return nil
}

// Get is Do with a URL alone.
func Get(ctx context.Context, url string) (*Response, error) {
	return Do(ctx, Request{URL: url})
}

// Do sends a request and waits for the answer. ctx is the handler's, or made of it; it is looked at when the request begins.
//
// The error is an *Error, or that of encoding/json for the body.
func Do(ctx context.Context, request Request) (*Response, error) {
	sent, err := request.sent()
	if err != nil {
		return nil, err
	}
	if sent.Timeout, err = timeoutOf(ctx, request.Timeout); err != nil {
		return nil, err
	}
	return clientOf(ctx).Send(sent)
}

// CheckURL sees that a text is a URL that Do takes: to refuse a wrong one in the configuration at once. The error is an *Error with the
// code Invalid.
func CheckURL(url string) error {
	_, err := parse(url)
	return err
}

// sent is the request as it goes out, all but its time.
func (r Request) sent() (*Sent, error) {
	target, err := parse(r.URL)
	if err != nil {
		return nil, err
	}
	sent := &Sent{Method: r.Method, URL: r.URL, Header: Header{}, ResponseBytesMax: r.ResponseBytesMax, target: target}
	switch {
	case r.Method == "":
		sent.Method = "GET"
	case !isToken(r.Method):
		return nil, invalid("%q is no method", r.Method)
	}
	switch {
	case r.ResponseBytesMax == 0:
		sent.ResponseBytesMax = ResponseBytesDefault
	case r.ResponseBytesMax < 0:
		sent.ResponseBytesMax = 0
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			if err := checkHeader(name, value); err != nil {
				return nil, err
			}
			sent.Header.Add(name, value)
		}
	}
	return sent, sent.setBody(r.Body)
}

func (s *Sent) setBody(body any) (err error) {
	switch body := body.(type) {
	case nil:
	case string:
		s.Body = []byte(body)
	case []byte:
		s.Body = body
	default:
		if s.Body, err = json.Marshal(body); err != nil {
			return fmt.Errorf("fetch: no JSON can be made of a %T: %w", body, err)
		}
		if !s.Header.has("content-type") {
			s.Header.Set("content-type", plugbus.ContentTypeJSON)
		}
	}
	if !s.Header.has("content-length") && (len(s.Body) > 0 || slices.Contains([]string{"POST", "PUT", "PATCH"}, s.Method)) {
		s.Header.Set("content-length", strconv.Itoa(len(s.Body)))
	}
	return nil
}

// timeoutOf is how long an exchange may take; an error where that is no time at all.
func timeoutOf(ctx context.Context, asked time.Duration) (time.Duration, error) {
	if asked < 0 {
		return 0, invalid("a timeout of %v; it is 0 or more", asked)
	}
	if err := ctx.Err(); err != nil {
		return 0, &Error{TimedOut, "not sent: " + err.Error()}
	}
	deadline, bounded := ctx.Deadline()
	switch {
	case !bounded && asked == 0:
		return TimeoutDefault, nil
	case !bounded:
		return asked, nil
	}
	left := time.Until(deadline)
	if left <= 0 {
		return 0, &Error{TimedOut, "not sent: " + context.DeadlineExceeded.Error()}
	}
	if asked > 0 {
		left = min(left, asked)
	}
	return left, nil
}

// Header is names and their values. Names are of any case, and in lower case where they come from this package.
type Header map[string][]string

// Get is the first value of a name, empty where there is none.
func (h Header) Get(name string) string {
	for key, values := range h {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// Set gives a name one value.
func (h Header) Set(name, value string) { h[strings.ToLower(name)] = []string{value} }

// Add gives a name one value more.
func (h Header) Add(name, value string) {
	name = strings.ToLower(name)
	h[name] = append(h[name], value)
}

func (h Header) has(name string) bool { return len(h[name]) > 0 }
