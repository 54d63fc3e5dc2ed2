// Package nethttp makes the standard library's HTTP client, and what is built upon it, work in a plugin: a [Transport] sends its
// requests by package fetch.
//
//	client := &http.Client{Transport: &nethttp.Transport{}}
//	request, err := http.NewRequestWithContext(ctx, "GET", "https://api.example.com/rates", nil)
//	...
//	answer, err := client.Do(request)
//
// The grants, the bounds and the errors are those of fetch: errors.As finds a *fetch.Error in what the client returns, and a handler may
// return it as it is. What net/http brings along makes a component of 12 MB instead of 5; where fetch is enough it is the better choice.
//
// http.DefaultTransport opens sockets, which are refused in a plugin. Bodies are sent and read whole before RoundTrip returns; they do
// not stream. A client follows redirections, each of which must lead to an origin that is granted.
package nethttp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plugbus/fetch"
)

// Transport is an http.RoundTripper. The zero value is ready.
type Transport struct {
	// Timeout is for one exchange, as in fetch.Request: zero is until the deadline of the request's context, else fetch.TimeoutDefault.
	// Better than http.Client.Timeout, whose error is no *fetch.Error, so that it rejects the event where this one retries it.
	Timeout time.Duration
	// ResponseBytesMax is how much of an answer's body is read, as in fetch.Request: zero is fetch.ResponseBytesDefault. Reading on
	// where more was sent is a *CutError.
	ResponseBytesMax int
}

// CutError is what reading a body ends with where it is longer than Transport.ResponseBytesMax. Returned by a handler it rejects the
// event.
type CutError struct {
	// BytesMax is how many bytes were read before.
	BytesMax int
}

func (e *CutError) Error() string {
	return fmt.Sprintf("nethttp: the answer has more than %d bytes; raise Transport.ResponseBytesMax", e.BytesMax)
}

// RoundTrip sends a request whose context is the handler's, or made of it, and reads the answer. The error is a *fetch.Error, or that of
// the request's body.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	sent, err := t.request(request)
	if err != nil {
		return nil, err
	}
	answer, err := fetch.Do(request.Context(), sent)
	if err != nil {
		return nil, err
	}
	response := &http.Response{
		Status:     fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)),
		StatusCode: answer.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{},
		ContentLength: int64(len(answer.Body)),
		Body:          &body{whole: *bytes.NewReader(answer.Body), end: endOf(answer, sent.ResponseBytesMax)},
		Request:       request,
	}
	for name, values := range answer.Header {
		for _, value := range values {
			response.Header.Add(name, value)
		}
	}
	if answer.IsCut || request.Method == http.MethodHead {
		response.ContentLength = lengthOf(response.Header)
	}
	return response, nil
}

// request reads and closes the body, as a RoundTripper must whatever happens.
func (t *Transport) request(request *http.Request) (fetch.Request, error) {
	var body any
	if request.Body != nil {
		data, err := io.ReadAll(request.Body)
		if closed := request.Body.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fetch.Request{}, err
		}
		body = data
	}
	if request.Host != "" && request.Host != request.URL.Host {
		return fetch.Request{}, &fetch.Error{Code: fetch.Invalid, Detail: "the Host of a request cannot be other than that of its URL"}
	}
	// The client has made a header of the user, and a server does not see the fragment.
	url := *request.URL
	url.User, url.Fragment, url.RawFragment = nil, "", ""
	url.RawQuery = escaped(url.RawQuery)
	most := t.ResponseBytesMax
	if most == 0 {
		most = fetch.ResponseBytesDefault
	}
	return fetch.Request{
		Method: request.Method, URL: url.String(), Header: fetch.Header(request.Header), Body: body, Timeout: t.Timeout, ResponseBytesMax: most,
	}, nil
}

// escaped is a query with what may not stand in a URL percent-encoded; package net/url leaves a query as it was written.
func escaped(query string) string {
	var text strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&text, "%%%02X", c)
		} else {
			text.WriteByte(c)
		}
	}
	return text.String()
}

// endOf is what reading ends with after what was read.
func endOf(answer *fetch.Response, most int) error {
	switch {
	case !answer.IsCut:
		return io.EOF
	case len(answer.Body) >= most:
		return &CutError{max(most, 0)}
	}
	return &fetch.Error{Code: fetch.Connection, Detail: "the answer's body broke off, or the time was up"}
}

// lengthOf is what the server says, -1 where it says nothing.
func lengthOf(header http.Header) int64 {
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return -1
	}
	return length
}

// body is an answer's body, with how it ends.
type body struct {
	whole bytes.Reader
	end   error
}

func (b *body) Read(into []byte) (int, error) {
	count, err := b.whole.Read(into)
	if err == io.EOF {
		err = b.end
	}
	return count, err
}

func (b *body) Close() error { return nil }
