package plugbustest_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"plugbus"
	"plugbus/fetch"
	"plugbus/plugbustest"
)

// asking is a host of a plugin that sends a request, and gives its answer to a function.
func asking(t *testing.T, request fetch.Request, see func(*fetch.Response) error) *plugbustest.Host {
	t.Helper()
	return plugbustest.New(t, plugin(func(ctx context.Context, _ plugbus.Event) (any, error) {
		answer, err := fetch.Do(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("asked: %w", err)
		}
		return nil, see(answer)
	}), nil)
}

func TestARequestGoesOutAsItIsWrittenAndItsAnswerComesBack(t *testing.T) {
	request := fetch.Request{
		Method: "POST", URL: "https://A.example:443/x?y#z",
		Header: fetch.Header{"X-Key": {"k", "l"}}, Body: map[string]string{"a": "ä"},
	}
	host := asking(t, request, func(answer *fetch.Response) error {
		var data struct{ B int }
		if err := answer.JSON(&data); err != nil {
			return err
		}
		if answer.Status != 201 || !answer.OK() || answer.IsCut || answer.Header.Get("X-SOME") != "v" || data.B != 1 {
			t.Errorf("%+v", answer)
		}
		return nil
	})
	host.Origins = []string{"https://a.example"}
	host.Server = func(*fetch.Sent) (*fetch.Response, error) {
		return &fetch.Response{Status: 201, Header: fetch.Header{"X-Some": {"v"}}, Body: []byte(`{"b":1}`)}, nil
	}
	if _, err := host.Send(plugbustest.Event("a.b", nil)); err != nil {
		t.Fatal(err)
	}
	sent := host.Requests[0]
	want := fetch.Header{"x-key": {"k", "l"}, "content-type": {"application/json"}, "content-length": {"10"}}
	if sent.Method != "POST" || sent.URL != request.URL || !reflect.DeepEqual(sent.Header, want) || string(sent.Body) != `{"a":"ä"}` {
		t.Errorf("%+v", sent)
	}
	if sent.Timeout != 4*time.Second || sent.ResponseBytesMax != 64<<10 {
		t.Errorf("%+v", sent)
	}
}

func TestABodyThatIsTooLongIsCutAndNoJSON(t *testing.T) {
	for wanted, body := range map[int]string{6: `"long"`, 3: `"lo`, -1: ""} {
		host := asking(t, fetch.Request{URL: "http://a", ResponseBytesMax: wanted}, func(answer *fetch.Response) error {
			if string(answer.Body) != body || answer.IsCut != (wanted < 6) {
				t.Errorf("%d: %+v", wanted, answer)
			}
			var data any
			return answer.JSON(&data)
		})
		host.Server = func(*fetch.Sent) (*fetch.Response, error) { return &fetch.Response{Body: []byte(`"long"`)}, nil }
		_, err := host.Send(plugbustest.Event("a.b", nil))
		if (err != nil) != (wanted < 6) || err != nil && !strings.Contains(err.Error(), "the response (cut) is no JSON") {
			t.Error(wanted, err)
		}
	}
	deep := &fetch.Response{Body: []byte(strings.Repeat("[", 100_000))}
	if err := deep.JSON(new(any)); err == nil || !strings.Contains(err.Error(), "nested more than 500 deep") {
		t.Error(err)
	}
}

func TestWhatIsMalformedIsNotSent(t *testing.T) {
	bad := []fetch.Request{{URL: "http://a", Method: "A B"}, {URL: "http://a", Header: fetch.Header{"a b": {"c"}}},
		{URL: "http://a", Header: fetch.Header{"a": {"c\nd"}}}, {URL: "http://a", Timeout: -1}}
	for _, url := range []string{"", "a.example", "file:///x", "http://", "http:///x", "http://:80", "http://u:p@a/", "http://a/b c", "http://a/ä", "http://a/\xff"} {
		bad = append(bad, fetch.Request{URL: url})
		if code(fetch.CheckURL(url)) != fetch.Invalid {
			t.Error(url)
		}
	}
	for _, request := range bad {
		host := asking(t, request, func(*fetch.Response) error { return nil })
		_, err := host.Send(plugbustest.Event("a.b", nil))
		var reject *plugbus.RejectError
		if !errors.As(err, &reject) || !strings.Contains(err.Error(), "fetch: invalid: ") || len(host.Requests) != 0 {
			t.Error(request, err)
		}
	}
	for _, url := range []string{"http://a", "HTTPS://a.example:8443/x/y?z=1#f", "http://[::1]:80?q"} {
		if err := fetch.CheckURL(url); err != nil {
			t.Error(err)
		}
	}
	if _, err := fetch.Do(t.Context(), fetch.Request{URL: "http://a", Body: make(chan int)}); err == nil || code(err) != "" {
		t.Error(err)
	}
}

func TestNoAnswerIsRetriedUnlessItWasDenied(t *testing.T) {
	for code, isRetry := range map[fetch.Code]bool{fetch.Connection: true, fetch.TimedOut: true, fetch.Denied: false, fetch.Invalid: false} {
		host := asking(t, fetch.Request{URL: "http://a"}, func(*fetch.Response) error { return nil })
		host.Server = func(*fetch.Sent) (*fetch.Response, error) { return nil, &fetch.Error{Code: code, Detail: "so"} }
		_, err := host.Send(plugbustest.Event("a.b", nil))
		var retry *plugbus.RetryError
		if errors.As(err, &retry) != isRetry || err.Error() != fmt.Sprintf("asked: fetch: %s: so", code) {
			t.Error(code, err)
		}
	}
}

func TestAnOriginThatIsNotGrantedIsDeniedAndTheErrorNamesTheGrant(t *testing.T) {
	host := asking(t, fetch.Request{URL: "http://B.example:80/x"}, func(*fetch.Response) error { return nil })
	host.Server = func(*fetch.Sent) (*fetch.Response, error) { return nil, nil }
	for origin, isGranted := range map[string]bool{"http://b.example": true, "https://b.example": false, "http://b.example:8080": false} {
		host.Origins = []string{origin}
		if _, err := host.Send(plugbustest.Event("a.b", nil)); (err == nil) != isGranted ||
			err != nil && !strings.Contains(err.Error(), `[grants] http = ["http://b.example"]`) {
			t.Error(origin, err)
		}
	}
	if len(host.Requests) != 1 {
		t.Error(host.Requests)
	}
}

func TestTheTimeIsThatOfTheRequestOrTheContextWhicheverIsEarlier(t *testing.T) {
	long, short := 10*time.Hour, time.Hour
	table := []struct{ asked, context, least, most time.Duration }{
		{0, 0, fetch.TimeoutDefault, fetch.TimeoutDefault},
		{short, 0, short, short},
		{0, long, 9 * time.Hour, long},
		{short, long, short, short},
		{long, short, 59 * time.Minute, short},
	}
	for _, row := range table {
		host := plugbustest.New(t, plugin(func(ctx context.Context, _ plugbus.Event) (any, error) {
			if row.context > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, row.context)
				defer cancel()
			}
			_, err := fetch.Do(ctx, fetch.Request{URL: "http://a", Timeout: row.asked})
			return nil, err
		}), nil)
		host.Server = func(request *fetch.Sent) (*fetch.Response, error) {
			if request.Timeout < row.least || request.Timeout > row.most {
				t.Error(row, request.Timeout)
			}
			return nil, nil
		}
		if _, err := host.Send(plugbustest.Event("a.b", nil)); err != nil {
			t.Error(row, err)
		}
	}
	past, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	gone, stop := context.WithCancel(t.Context())
	stop()
	for _, ctx := range []context.Context{past, gone} {
		if _, err := fetch.Get(ctx, "http://a"); code(err) != fetch.TimedOut || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
}

func TestAnEventMaySendThirtyTwoRequests(t *testing.T) {
	host := plugbustest.New(t, plugin(func(ctx context.Context, _ plugbus.Event) (any, error) {
		for range 32 {
			if _, err := fetch.Get(ctx, "http://a"); err != nil {
				t.Error(err)
			}
		}
		_, err := fetch.Get(ctx, "http://a")
		return nil, err
	}), nil)
	host.Server = func(*fetch.Sent) (*fetch.Response, error) { return nil, nil }
	for range 2 {
		if _, err := host.Send(plugbustest.Event("a.b", nil)); err == nil || !strings.Contains(err.Error(), "http_requests_max") {
			t.Error(err)
		}
	}
	if _, err := fetch.Get(context.Background(), "http://a"); code(err) != fetch.Denied {
		t.Error("without a handler's context", err)
	}
}

func code(err error) fetch.Code {
	var failed *fetch.Error
	if !errors.As(err, &failed) {
		return ""
	}
	return failed.Code
}
