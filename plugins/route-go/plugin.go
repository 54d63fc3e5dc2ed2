// Routes events by what is in them: each goes, unchanged, to the topic of the first route that takes it.
package main

import (
	"context"
	"fmt"
	"maps"

	"plugbus"
)

var config Config

func init() {
	plugbus.Register(plugbus.Plugin{Init: setup, Handle: handle})
}

func main() {}

func setup(_ context.Context, setup *plugbus.Setup) error {
	config = Config{}
	if err := setup.Config(&config); err != nil {
		return err
	}
	setup.Filters = config.Filters
	return config.check()
}

func handle(ctx context.Context, event plugbus.Event) (any, error) {
	var data any
	if err := event.JSON(&data); err != nil {
		return nil, err
	}
	name, to, err := config.route(event.Topic, data)
	if err != nil {
		return nil, fmt.Errorf("route `%s`: %w", name, err)
	}
	if to == "" {
		return nil, nil
	}
	extensions := maps.Clone(event.Extensions)
	if extensions == nil {
		extensions = map[string]string{}
	}
	extensions["route"] = name
	options := make([]plugbus.PublishOption, 0, len(extensions))
	for key, value := range extensions {
		options = append(options, plugbus.Extension(key, value))
	}
	_, err = plugbus.Publish(ctx, to, plugbus.Payload{ContentType: event.ContentType, Data: event.Data}, options...)
	return nil, err
}
