package plugbustest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"plugbus"
	"plugbus/fetch"
	"plugbus/nethttp"
	"plugbus/plugbustest"
)

// got is what a handler does with an answer.
type got func(*http.Response) error

// clientHost is a host of a plugin that sends a request by the standard library's client.
func clientHost(t *testing.T, transport *nethttp.Transport, method, url, body string, see got) *plugbustest.Host {
	t.Helper()
	client := &http.Client{Transport: transport}
	return plugbustest.New(t, plugin(func(ctx context.Context, _ plugbus.Event) (any, error) {
		request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		request.Header.Set("X-Key", "k")
		answer, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		return nil, see(answer)
	}), nil)
}

func nothing(*http.Response) error { return nil }

func TestTheStandardClientSendsAndFollowsRedirections(t *testing.T) {
	host := clientHost(t, &nethttp.Transport{}, "POST", "https://me:pw@a.example/x?y=ä#z", "hi", func(answer *http.Response) error {
		body, err := io.ReadAll(answer.Body)
		if answer.StatusCode != 200 || answer.Status != "200 OK" || string(body) != "hello" || answer.ContentLength != 5 ||
			answer.Header.Get("x-some") != "v" || answer.Request.URL.Path != "/there" {
			t.Error(answer, string(body))
		}
		return err
	})
	host.Server = func(request *fetch.Sent) (*fetch.Response, error) {
		if strings.HasSuffix(request.URL, "/there") {
			return &fetch.Response{Header: fetch.Header{"X-Some": {"v"}}, Body: []byte("hello")}, nil
		}
		return &fetch.Response{Status: 307, Header: fetch.Header{"location": {"/there"}}}, nil
	}
	if _, err := host.Send(plugbustest.Event("a.b", nil)); err != nil {
		t.Fatal(err)
	}
	first, second := host.Requests[0], host.Requests[1]
	if first.URL != "https://a.example/x?y=%C3%A4" || first.Header.Get("authorization") == "" || first.Header.Get("x-key") != "k" {
		t.Error(first)
	}
	if string(first.Body) != "hi" || string(second.Body) != "hi" || second.Method != "POST" || second.URL != "https://a.example/there" {
		t.Error(first, second)
	}
}

func TestABodyThatIsNotWholeIsAnErrorOfReading(t *testing.T) {
	read := func(answer *http.Response) error {
		body, err := io.ReadAll(answer.Body)
		if string(body) != "abc" {
			t.Error(string(body))
		}
		return err
	}
	for name, row := range map[string]struct {
		answer  fetch.Response
		isRetry bool
		text    string
	}{
		"longer than wanted": {fetch.Response{Body: []byte("abcd")}, false, "more than 3 bytes; raise Transport.ResponseBytesMax"},
		"broken off":         {fetch.Response{Body: []byte("abc"), IsCut: true}, true, "broke off"},
	} {
		transport := &nethttp.Transport{ResponseBytesMax: 3}
		if row.isRetry {
			transport.ResponseBytesMax = 4
		}
		host := clientHost(t, transport, "GET", "http://a", "", read)
		host.Server = func(*fetch.Sent) (*fetch.Response, error) { return &row.answer, nil }
		_, err := host.Send(plugbustest.Event("a.b", nil))
		var retry *plugbus.RetryError
		if err == nil || errors.As(err, &retry) != row.isRetry || !strings.Contains(err.Error(), row.text) {
			t.Error(name, err)
		}
	}
}

func TestErrorsOfTheClientAreThoseOfFetch(t *testing.T) {
	for code, isRetry := range map[fetch.Code]bool{fetch.Connection: true, fetch.TimedOut: true, fetch.Denied: false} {
		host := clientHost(t, &nethttp.Transport{}, "GET", "http://a", "", nothing)
		host.Server = func(*fetch.Sent) (*fetch.Response, error) { return nil, &fetch.Error{Code: code, Detail: "so"} }
		_, err := host.Send(plugbustest.Event("a.b", nil))
		var retry *plugbus.RetryError
		if errors.As(err, &retry) != isRetry || !strings.Contains(err.Error(), "so") {
			t.Error(code, err)
		}
	}
	host := clientHost(t, &nethttp.Transport{}, "GET", "http://a", "", nothing)
	host.Origins = []string{}
	if _, err := host.Send(plugbustest.Event("a.b", nil)); err == nil || !strings.Contains(err.Error(), `[grants] http = ["http://a"]`) {
		t.Error(err)
	}
}

// tracked is a body that says whether it was closed.
type tracked struct {
	io.Reader
	closed bool
}

func (b *tracked) Close() error { b.closed = true; return nil }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("unreadable") }

func TestTheBodyOfARequestIsClosedWhateverHappens(t *testing.T) {
	for _, row := range []struct {
		body io.Reader
		host string
		text string
	}{
		{failing{}, "", "unreadable"},
		{strings.NewReader("x"), "other", "fetch: invalid: the Host"},
		{strings.NewReader("x"), "", "fetch: denied"},
	} {
		body := &tracked{Reader: row.body}
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://a", body)
		if err != nil {
			t.Fatal(err)
		}
		if row.host != "" {
			request.Host = row.host
		}
		_, err = (&nethttp.Transport{}).RoundTrip(request)
		if err == nil || !strings.Contains(err.Error(), row.text) || !body.closed {
			t.Error(err, body.closed)
		}
	}
}
