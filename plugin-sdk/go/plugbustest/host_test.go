package plugbustest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"plugbus"
	"plugbus/plugbustest"
)

func plugin(handle plugbus.Handler) plugbus.Plugin {
	return plugbus.Plugin{Filters: []string{"a.*", "b.>"}, Handle: handle}
}

func answering(answer any, err error) plugbus.Plugin {
	return plugin(func(ctx context.Context, _ plugbus.Event) (any, error) {
		_, failed := plugbus.Publish(ctx, "out", "x")
		return answer, errors.Join(err, failed)
	})
}

func TestValuesBecomeRepliesByTheirType(t *testing.T) {
	table := []struct {
		answer            any
		contentType, data string
	}{
		{"text", plugbus.ContentTypeText, "text"},
		{[]byte{0xff}, plugbus.ContentTypeBytes, "\xff"},
		{map[string]int{"n": 1}, plugbus.ContentTypeJSON, `{"n":1}`},
		{plugbus.Payload{ContentType: "a/b", Data: []byte("x")}, "a/b", "x"},
	}
	for _, row := range table {
		reply, err := plugbustest.New(t, answering(row.answer, nil), nil).Send(plugbustest.Event("a.b", nil))
		if err != nil || reply.ContentType != row.contentType || string(reply.Data) != row.data {
			t.Errorf("%v: %v %v", row.answer, reply, err)
		}
	}
	reply, err := plugbustest.New(t, answering(nil, nil), nil).Send(plugbustest.Event("a.b", nil))
	if reply != nil || err != nil {
		t.Error(reply, err)
	}
}

func TestErrorsAreVerdictsAndThrowAwayWhatWasPublished(t *testing.T) {
	table := []struct {
		err    error
		retry  bool
		after  time.Duration
		reason string
	}{
		{errors.New("boom"), false, 0, "boom"},
		{plugbus.Reject("never"), false, 0, "never"},
		{plugbus.Retry("later"), true, -1, "later"},
		{fmt.Errorf("the shop: %w", plugbus.RetryAfter(time.Second, "busy")), true, time.Second, "the shop: busy"},
	}
	for _, row := range table {
		host := plugbustest.New(t, answering("x", row.err), nil)
		_, err := host.Send(plugbustest.Event("a.b", nil))
		var retry *plugbus.RetryError
		if errors.As(err, &retry) != row.retry || !strings.Contains(err.Error(), row.reason) || (row.retry && retry.After != row.after) {
			t.Errorf("%v: %#v", row.err, err)
		}
		if len(host.Published) != 0 {
			t.Errorf("%v: %v", row.err, host.Published)
		}
	}
}

func TestAPanicRejectsAndItsStackIsInTheLog(t *testing.T) {
	host := plugbustest.New(t, plugin(func(context.Context, plugbus.Event) (any, error) { panic("boom") }), nil)
	_, err := host.Send(plugbustest.Event("a.b", nil))
	var reject *plugbus.RejectError
	if !errors.As(err, &reject) || reject.Reason != "panic: boom" {
		t.Fatal(err)
	}
	if line := host.Logs[0]; line.Level != slog.LevelError || !strings.Contains(line.Message, "host_test.go") {
		t.Fatal(line)
	}
}

func TestDataThatIsNoJSONRejectsAndNamesIt(t *testing.T) {
	host := plugbustest.New(t, plugin(func(_ context.Context, event plugbus.Event) (any, error) {
		var data any
		return nil, event.JSON(&data)
	}), nil)
	for _, data := range []string{"", "nope", "[1", strings.Repeat("[", 501) + strings.Repeat("]", 501), strings.Repeat("[", 100_000)} {
		if _, err := host.Send(plugbustest.Event("a.b", data)); err == nil || !strings.Contains(err.Error(), "event on `a.b`: the data is no JSON") {
			t.Error(err)
		}
	}
	for _, data := range []string{"null", strings.Repeat("[", 500) + strings.Repeat("]", 500), `["` + strings.Repeat("[", 1000) + `\"["]`} {
		if _, err := host.Send(plugbustest.Event("a.b", data)); err != nil {
			t.Error(err)
		}
	}
}

func TestRefusedPublishesAreErrorsByKind(t *testing.T) {
	host := plugbustest.New(t, plugin(func(ctx context.Context, event plugbus.Event) (any, error) {
		_, err := plugbus.Publish(ctx, string(event.Data), "data", plugbus.Extension("k", "v"))
		return nil, err
	}), nil)
	host.Grants = []string{"out.>"}
	table := map[string]error{"else": plugbus.ErrDenied, "plugbus.x": plugbus.ErrDenied, "a b": plugbus.ErrInvalid, "\xff": plugbus.ErrInvalid}
	for topic, kind := range table {
		if _, err := host.Send(plugbustest.Event("a.b", topic)); err == nil || !strings.Contains(err.Error(), kind.Error()) {
			t.Errorf("%q: %v", topic, err)
		}
	}
	if _, err := host.Send(plugbustest.Event("a.b", "out.x")); err != nil || host.Published[0].Extensions["k"] != "v" {
		t.Error(err, host.Published)
	}
	host.PublishesMax = 0
	if _, err := host.Send(plugbustest.Event("a.b", "out.x")); err == nil || !strings.Contains(err.Error(), plugbus.ErrOverLimit.Error()) {
		t.Error(err)
	}
	if _, err := plugbus.Publish(context.Background(), "out.x", nil); !errors.Is(err, plugbus.ErrDenied) {
		t.Error(err)
	}
}

func TestTheConfigurationIsReadAndRefusedInWords(t *testing.T) {
	var config struct{ URL string }
	configured := plugbus.Plugin{
		Init: func(ctx context.Context, setup *plugbus.Setup) error {
			setup.Filters = append(setup.Filters, "more")
			_, err := plugbus.Publish(ctx, "out", nil)
			slog.InfoContext(ctx, "setting up", "denied", errors.Is(err, plugbus.ErrDenied))
			return setup.Config(&config)
		},
		Handle: func(context.Context, plugbus.Event) (any, error) { return nil, nil },
	}
	host := plugbustest.New(t, configured, map[string]string{"url": "x"})
	if config.URL != "x" || !host.Subscribes("more") || host.Logs[0].Message != "setting up denied=true" {
		t.Error(config, host)
	}
	if _, err := plugbustest.Start(t, configured, map[string]string{"uri": "x"}); err == nil || !strings.Contains(err.Error(), `config: json: unknown field "uri"`) {
		t.Error(err)
	}
}

func TestFiltersMatchAsOnTheBus(t *testing.T) {
	table := []struct {
		filter, topic string
		matches       bool
	}{
		{"a.*", "a.b", true}, {"a.*", "a", false}, {"a.*", "a.b.c", false}, {"a.>", "a.b.c", true}, {"a.>", "a", false},
		{">", "plugbus.x", false}, {"*.x", "plugbus.x", false}, {"plugbus.>", "plugbus.x", true}, {"a", "a", true}, {"a", "a.b", false},
	}
	for _, row := range table {
		if plugbus.Matches(row.filter, row.topic) != row.matches {
			t.Error(row)
		}
	}
}

func TestATickIsToldFromOtherEvents(t *testing.T) {
	for topic, isTick := range map[string]bool{"plugbus.tick.relay": true, "plugbus.ticks": false, "a.plugbus.tick.b": false} {
		if plugbustest.Event(topic, nil).IsTick() != isTick {
			t.Error(topic)
		}
	}
}
