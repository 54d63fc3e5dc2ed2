// Package plugbus is what a plugbus plugin in Go is written with.
//
// A plugin is a program whose init registers a [Plugin]:
//
//	package main
//
//	import (
//		"context"
//
//		"plugbus"
//	)
//
//	func init() {
//		plugbus.Register(plugbus.Plugin{Filters: []string{"chat.joined"}, Handle: greet})
//	}
//
//	func greet(ctx context.Context, event plugbus.Event) (any, error) {
//		var who struct{ Name string }
//		if err := event.JSON(&who); err != nil {
//			return nil, err
//		}
//		if _, err := plugbus.Publish(ctx, "chat.said", "Welcome, "+who.Name+"!"); err != nil {
//			return nil, err
//		}
//		return "greeted", nil
//	}
//
//	func main() {} // never called
//
// "python build.py DIR -o NAME.wasm", in this SDK's folder, makes the component; NAME.wasm and its manifest NAME.toml go into the
// host's plugins folder. Package plugbustest runs the same plugin natively, under "go test".
//
// # What becomes of an event
//
// A handler that returns a nil error has handled it: what it published leaves now. The value answers a publisher that waits for a
// reply: a string is text, a []byte is bytes, a [Payload] is itself, anything else becomes JSON, and nil answers nothing.
//
// An error is looked into with errors.As. A [*RetryError] (see [Retry] and [RetryAfter]) brings the event again later, 5 times in all by
// default; then it is a dead letter. A [*RejectError] (see [Reject]), and any other error, makes it a dead letter at once, with the
// error's text as the reason: most errors come again with the event. A panic is caught: it rejects too, with its stack in the plugin's
// log. Whatever fails has published nothing.
//
// What cannot be caught (out of memory, a fatal error of the runtime), the end of the fuel (500 million), of the time (5 s) or of the
// memory (128 MiB) is a fault: the host tries the event again on a new instance.
//
// # What holds
//
// Delivery is at least once: an event may come again, under the same Source and ID and with a higher Attempt. With one instance, the
// default, events come one at a time in the order of their acceptance. Variables live from event to event until the instance is
// replaced, on a reload or a fault. Goroutines run only while a handler does; what is left running stands still until the next event.
//
// A plugin may do only what its manifest grants: without publish = ["chat.>"] every publish is [ErrDenied]. log/slog, standard output
// and standard error go to the plugin's log. Sockets are refused; files and environment are empty unless granted.
package plugbus
