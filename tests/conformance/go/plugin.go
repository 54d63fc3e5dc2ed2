// The conformance suite's guest in Go: see ../README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"plugbus"
)

type object = map[string]any

var config struct {
	Greeting *string `json:"greeting"`
}

func init() {
	plugbus.Register(plugbus.Plugin{
		Filters: []string{"c.>"},
		Init:    func(_ context.Context, setup *plugbus.Setup) error { return setup.Config(&config) },
		Handle:  handle,
	})
}

func main() {}

func handle(ctx context.Context, event plugbus.Event) (any, error) {
	publish := func(topic string, data any, options ...plugbus.PublishOption) error {
		_, err := plugbus.Publish(ctx, topic, data, options...)
		return err
	}
	switch event.Topic {
	case "c.good":
		var data map[string]json.RawMessage
		if err := event.JSON(&data); err != nil {
			return nil, err
		}
		data["by"] = json.RawMessage(`"go"`)
		return nil, publish("out.good", data)
	case "c.retry":
		if event.Attempt > 1 {
			return nil, publish("out.retry", object{"attempt": event.Attempt})
		}
		if err := publish("out.retry", object{"lost": true}); err != nil {
			return nil, err
		}
		return nil, plugbus.RetryAfter(10*time.Millisecond, "not yet")
	case "c.reject":
		return nil, plugbus.Reject("no thanks")
	case "c.exception":
		return nil, errors.New("boom")
	case "c.denied":
		if err := publish("elsewhere.topic", object{}); !errors.Is(err, plugbus.ErrDenied) {
			return nil, fmt.Errorf("it was not denied: %w", err)
		}
		return nil, publish("out.denied", object{"error": "denied"})
	case "c.limit":
		for i := 0; ; i++ {
			err := publish("out.limit", object{"i": i})
			if errors.Is(err, plugbus.ErrOverLimit) {
				return nil, plugbus.Reject(fmt.Sprintf("refused after %d: over-limit", i))
			}
			if err != nil {
				return nil, err
			}
		}
	case "c.request":
		var data json.RawMessage
		if err := event.JSON(&data); err != nil {
			return nil, err
		}
		return object{"got": data}, nil
	case "c.config":
		return nil, publish("out.config", object{"greeting": config.Greeting})
	case "c.unicode":
		text, err := event.Text()
		if err != nil {
			return nil, err
		}
		return nil, publish("out.unicode", text)
	case "c.empty":
		return nil, publish("out.empty", object{"bytes": len(event.Data)})
	case "c.large":
		var data struct{ Items []string }
		if err := event.JSON(&data); err != nil {
			return nil, err
		}
		return nil, publish("out.large", object{"items": len(data.Items), "bytes": len(event.Data)})
	case "c.binary":
		slices.Reverse(event.Data)
		return nil, publish("out.binary", event.Data)
	case "c.count":
		var data struct{ N uint64 }
		if err := event.JSON(&data); err != nil {
			return nil, err
		}
		return nil, publish("out.count", object{"n": data.N})
	case "c.log":
		slog.InfoContext(ctx, "hello from go")
	}
	return nil, nil
}
