// Package plugbustest runs a plugin natively, without WebAssembly, and shows what it did, under "go test":
//
//	func TestItGreets(t *testing.T) {
//		host := plugbustest.New(t, plugbus.Registered(), nil)
//		reply, err := host.Send(plugbustest.Event("chat.joined", map[string]string{"name": "Ada"}))
//		if err != nil || string(reply.Data) != "greeted" {
//			t.Fatal(reply, err)
//		}
//		if said := host.Published[0]; string(said.Data) != "Welcome, Ada!" {
//			t.Fatal(said)
//		}
//	}
//
// What a handler that fails has published and written into the store is thrown away, and both are bounded as on a host. HTTP requests go
// to the test's Server. Easier than on a real host are: topics and extensions are checked against the grants only, headers that a host
// refuses are let through, and fuel, time and memory are not bounded.
package plugbustest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"plugbus"
	"plugbus/fetch"
	"plugbus/kv"
)

// Published is an event that left the sandbox.
type Published struct {
	plugbus.Payload
	Topic      string
	Extensions map[string]string
}

// Line is a line of the log.
type Line struct {
	Level   slog.Level
	Scope   string
	Message string
}

// Host is one instance of a plugin, with the host played by this type.
type Host struct {
	// Filters are those that the plugin has registered.
	Filters []string
	// Published is what handlers that acked have published, oldest first.
	Published []Published
	// Logs is the log, oldest line first; of Init too, and of handlers that failed.
	Logs []Line
	// Grants are the manifest's publish filters.
	Grants []string
	// PublishesMax and PublishBytes are the manifest's limits for one event.
	PublishesMax, PublishBytes int
	// Server answers HTTP requests; without one every request fails with fetch.Connection.
	Server Server
	// Origins are the manifest's http grants, in the form "https://api.example.com"; a request to any other is denied. Nil grants all.
	Origins []string
	// Requests are the HTTP requests that were granted, oldest first; of handlers that failed too.
	Requests []fetch.Sent

	plugin plugbus.Plugin
	event  *plugbus.Event
	staged []Published
	sent   int // requests for this event
	// What is in the store, and that with what the handler has changed.
	store, changed map[place][]byte
}

// New makes an instance. config is the manifest's [config] table: anything that encoding/json takes; nil is none. The test ends where
// the plugin refuses it.
func New(t testing.TB, plugin plugbus.Plugin, config any) *Host {
	t.Helper()
	host, err := Start(t, plugin, config)
	if err != nil {
		t.Fatalf("the plugin refuses its configuration: %v", err)
	}
	return host
}

// Start is New, and returns why the plugin refuses its configuration.
func Start(t testing.TB, plugin plugbus.Plugin, config any) (*Host, error) {
	t.Helper()
	host := &Host{plugin: plugin, Grants: []string{">"}, PublishesMax: 64, PublishBytes: 1 << 20}
	before := slog.Default()
	slog.SetDefault(slog.New(plugbus.LogHandler(recorder{host})))
	t.Cleanup(func() { slog.SetDefault(before) })
	text := []byte("{}")
	if config != nil {
		var err error
		if text, err = json.Marshal(config); err != nil {
			t.Fatalf("the configuration has no JSON form: %v", err)
		}
	}
	var err error
	host.Filters, err = plugin.Start(host.context(), text)
	return host, err
}

// Send gives the plugin an event, whatever its topic. The error is a *plugbus.RetryError or a *plugbus.RejectError.
func (h *Host) Send(event plugbus.Event) (*plugbus.Payload, error) {
	h.event, h.staged, h.changed, h.sent = &event, nil, maps.Clone(h.store), 0
	if h.changed == nil {
		h.changed = map[place][]byte{}
	}
	reply, err := h.plugin.Deliver(h.context(), event)
	if err == nil {
		h.Published = append(h.Published, h.staged...)
		h.store = h.changed
	}
	h.event, h.staged, h.changed = nil, nil, nil
	return reply, err
}

// Subscribes says whether the plugin would be given events of this topic.
func (h *Host) Subscribes(topic string) bool {
	return covered(h.Filters, topic)
}

func (h *Host) context() context.Context {
	ctx := plugbus.WithHost(context.Background(), recorder{h})
	return fetch.WithClient(kv.WithStore(ctx, recorder{h}), recorder{h})
}

// Event makes an event. data is a string, a []byte, or anything that encoding/json takes; nil is none.
func Event(topic string, data any) plugbus.Event {
	event := plugbus.Event{
		ID: "event-1", Source: "test", Topic: topic, Time: time.Unix(1_700_000_000, 0).UTC(),
		ContentType: plugbus.ContentTypeJSON, Extensions: map[string]string{}, Attempt: 1,
	}
	switch data := data.(type) {
	case nil:
	case string:
		event.Data = []byte(data)
	case []byte:
		event.Data = data
	default:
		text, err := json.Marshal(data)
		if err != nil {
			panic(fmt.Sprintf("plugbustest: the data has no JSON form: %v", err))
		}
		event.Data = text
	}
	return event
}

// File makes an event of a topic with a file's content, a sample say. The test ends where it cannot be read.
func File(t testing.TB, topic, path string) plugbus.Event {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Event(topic, data)
}

func covered(filters []string, topic string) bool {
	for _, filter := range filters {
		if plugbus.Matches(filter, topic) {
			return true
		}
	}
	return false
}

// recorder is the host as the plugin sees it.
type recorder struct{ host *Host }

func (r recorder) Publish(topic string, payload plugbus.Payload, extensions map[string]string) (string, error) {
	h := r.host
	refuse := func(kind error, detail string) (string, error) {
		return "", &plugbus.PublishError{Kind: kind, Detail: detail}
	}
	if len(topic) < 1 || len(topic) > 255 || strings.ContainsAny(topic, "*> \t\n") {
		return refuse(plugbus.ErrInvalid, fmt.Sprintf("%q is no topic", topic))
	}
	if h.event == nil || strings.HasPrefix(topic, "plugbus.") || !covered(h.Grants, topic) {
		return refuse(plugbus.ErrDenied, fmt.Sprintf("`%s` is not covered by the manifest's `publish` filters", topic))
	}
	size := len(payload.Data)
	for _, before := range h.staged {
		size += len(before.Data)
	}
	if len(h.staged) >= h.PublishesMax || size > h.PublishBytes {
		return refuse(plugbus.ErrOverLimit, fmt.Sprintf("%d events and %d bytes for one event", h.PublishesMax, h.PublishBytes))
	}
	kept := plugbus.Payload{ContentType: payload.ContentType, Data: append([]byte{}, payload.Data...)}
	h.staged = append(h.staged, Published{kept, topic, maps.Clone(extensions)})
	return fmt.Sprintf("%s/%d", h.event.ID, len(h.staged)), nil
}

func (r recorder) Log(level slog.Level, scope, message string) {
	r.host.Logs = append(r.host.Logs, Line{level, scope, message})
}
