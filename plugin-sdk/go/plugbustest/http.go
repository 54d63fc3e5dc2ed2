package plugbustest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"plugbus/fetch"
)

// requestsMax is how many requests an event may send, as on a host by default.
const requestsMax = 32

// Server answers the plugin's requests. The error is what fetch.Do returns: a *fetch.Error, say, with the code fetch.Connection. A nil
// answer is one with status 200 and no body; a status of 0 is 200.
type Server func(request *fetch.Sent) (*fetch.Response, error)

// Send is the plugin's request, answered by Host.Server.
func (r recorder) Send(request *fetch.Sent) (*fetch.Response, error) {
	h := r.host
	if h.sent++; h.sent > requestsMax {
		return nil, &fetch.Error{Code: fetch.Connection, Detail: fmt.Sprintf("more than %d requests for an event (http_requests_max)", requestsMax)}
	}
	if h.Origins != nil && !slices.Contains(h.Origins, request.Origin()) {
		return nil, fetch.NotGranted("not among the test's Origins", request.Origin())
	}
	kept := *request
	kept.Header = headerOf(request.Header)
	kept.Body = bytes.Clone(request.Body)
	h.Requests = append(h.Requests, kept)
	if h.Server == nil {
		return nil, &fetch.Error{Code: fetch.Connection, Detail: "the test has no server: set the Server of its host"}
	}
	said, err := h.Server(request)
	if err != nil {
		return nil, err
	}
	if said == nil {
		said = &fetch.Response{}
	}
	answer := &fetch.Response{Status: said.Status, Header: headerOf(said.Header), IsCut: said.IsCut || len(said.Body) > request.ResponseBytesMax}
	if answer.Status == 0 {
		answer.Status = 200
	}
	answer.Body = bytes.Clone(said.Body[:min(len(said.Body), request.ResponseBytesMax)])
	return answer, nil
}

// headerOf is a copy with its names in lower case, as they come from a host.
func headerOf(header fetch.Header) fetch.Header {
	copied := fetch.Header{}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			copied.Add(name, value)
		}
	}
	return copied
}
