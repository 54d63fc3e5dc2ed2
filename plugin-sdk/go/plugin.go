package plugbus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Handler is called for each event that matches a filter. See the package for what its results mean.
type Handler func(ctx context.Context, event Event) (any, error)

// Plugin is a plugin's filters and functions.
type Plugin struct {
	// Filters are the topics it asks for, 1 to 64: * stands for exactly one token, > as the last one for one or more. Filters in the
	// manifest take their place.
	Filters []string
	// Init, if there is one, is called once for each instance, before its first event. It checks the configuration; an error refuses
	// the plugin, and the operator sees its text. It may log, and set more filters; it may not publish.
	Init func(ctx context.Context, setup *Setup) error
	// Handle is the handler.
	Handle Handler
}

// Setup is what Init has to do with.
type Setup struct {
	// Filters begin as the plugin's.
	Filters []string
	config  []byte
}

// Config reads the manifest's [config] table into v, as encoding/json does from a JSON object; {} where there is none. Dates and times
// of TOML are text. Keys that v does not have are an error, which names them.
func (s *Setup) Config(v any) error {
	decoder := json.NewDecoder(bytes.NewReader(s.config))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

var registered Plugin

// Register makes the plugin this program's. It is called once, in an init function.
func Register(plugin Plugin) {
	if registered.Handle != nil {
		panic("plugbus: Register was called before")
	}
	if plugin.Handle == nil {
		panic("plugbus: the plugin has no Handle")
	}
	registered = plugin
}

// Registered is the plugin that was registered, for tests.
func Registered() Plugin { return registered }

// Start is what the host's init calls: it gives the configuration as a JSON object and gets the filters, or why the plugin refuses. For
// hosts; a plugin does not call it.
func (p Plugin) Start(ctx context.Context, config []byte) (filters []string, err error) {
	setup := &Setup{Filters: append([]string(nil), p.Filters...), config: config}
	defer caught(ctx, &err)
	if p.Handle == nil {
		return nil, errors.New("no plugin: call plugbus.Register in an init function")
	}
	if p.Init != nil {
		err = p.Init(ctx, setup)
	}
	return setup.Filters, err
}

// Deliver is what the host's handle calls. The error is a *RetryError or a *RejectError. For hosts; a plugin does not call it.
func (p Plugin) Deliver(ctx context.Context, event Event) (*Payload, error) {
	answer, err := p.call(ctx, event)
	if err == nil && answer != nil {
		var payload Payload
		if payload, err = payloadOf(answer); err == nil {
			return &payload, nil
		}
	}
	return nil, verdict(err)
}

func (p Plugin) call(ctx context.Context, event Event) (answer any, err error) {
	defer caught(ctx, &err)
	return p.Handle(ctx, event)
}

// caught turns a panic into an error, with its stack in the log.
func caught(ctx context.Context, err *error) {
	if value := recover(); value != nil {
		*err = fmt.Errorf("panic: %v", value)
		hostOf(ctx).Log(slog.LevelError, "plugbus.handler", fmt.Sprintf("panic: %v\n%s", value, debug.Stack()))
	}
}

func verdict(err error) error {
	if err == nil {
		return nil
	}
	// The text of the whole chain: what was wrapped around a verdict says where it came from.
	var retry *RetryError
	if errors.As(err, &retry) {
		return &RetryError{err.Error(), retry.After}
	}
	return &RejectError{err.Error()}
}
