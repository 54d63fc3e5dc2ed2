//go:build wasip1

package plugbus

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sort"
	"strings"
	"time"
	"unsafe"

	"plugbus/internal/abi"
)

// This file is the component's side: the functions of the contract in the canonical ABI. The places of fields are those of the records
// in wit/types.wit, with pointers and lengths of 4 bytes; the conformance suite holds them to it.

//go:wasmimport plugbus:plugin/publisher@0.1.0 publish
func importPublish(topic unsafe.Pointer, topicLen uint32, contentType unsafe.Pointer, contentTypeLen uint32, bodyKind uint32,
	data unsafe.Pointer, dataLen uint32, extensions unsafe.Pointer, extensionsLen uint32, result unsafe.Pointer)

//go:wasmimport wasi:logging/logging@0.1.0-draft log
func importLog(level uint32, scope unsafe.Pointer, scopeLen uint32, message unsafe.Pointer, messageLen uint32)

const (
	bodyText  = 0
	bodyBytes = 1
)

type imports struct{}

func (imports) Publish(topic string, payload Payload, extensions map[string]string) (string, error) {
	pairs := make([][2]abi.Span, 0, len(extensions))
	for name, value := range extensions {
		pairs = append(pairs, [2]abi.Span{abi.OfText(name), abi.OfText(value)})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i][0].Text() < pairs[j][0].Text() })
	var result struct {
		tag  uint32
		kind uint32    // of an error; else the id begins here
		more [2]uint32 // the rest
	}
	importPublish(unsafe.Pointer(unsafe.StringData(topic)), uint32(len(topic)),
		unsafe.Pointer(unsafe.StringData(payload.ContentType)), uint32(len(payload.ContentType)), bodyBytes,
		unsafe.Pointer(unsafe.SliceData(payload.Data)), uint32(len(payload.Data)),
		unsafe.Pointer(unsafe.SliceData(pairs)), uint32(len(pairs)), unsafe.Pointer(&result))
	runtime.KeepAlive(extensions)
	defer abi.Taken()
	if result.tag == 0 {
		return abi.Span{result.kind, result.more[0]}.Text(), nil
	}
	kinds := []error{ErrDenied, ErrInvalid, ErrOverLimit}
	return "", &PublishError{kinds[result.kind&0xff], abi.Span{result.more[0], result.more[1]}.Text()}
}

func (imports) Log(level slog.Level, scope, message string) {
	message = strings.ToValidUTF8(message, "\uFFFD")
	scope = strings.ToValidUTF8(scope, "\uFFFD")
	importLog(levelOf(level), unsafe.Pointer(unsafe.StringData(scope)), uint32(len(scope)),
		unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
}

// levelOf is the place in the contract's enum: trace, debug, info, warn, error, critical.
func levelOf(level slog.Level) uint32 {
	switch {
	case level < slog.LevelDebug:
		return 0
	case level < slog.LevelInfo:
		return 1
	case level < slog.LevelWarn:
		return 2
	case level < slog.LevelError:
		return 3
	case level < slog.LevelError+4:
		return 4
	}
	return 5
}

var guest = WithHost(context.Background(), imports{})

func init() {
	slog.SetDefault(slog.New(newLogHandler(func(context.Context) Host { return imports{} })))
}

// answer is what a call returns: the host reads it before it calls again. Its fields are those of both functions' results.
var answer struct {
	area [5]uint64
	kept []any // what the area points to
}

func put32(at uintptr, value uint32) {
	*(*uint32)(unsafe.Add(unsafe.Pointer(&answer.area), at)) = value
}

func putText(at uintptr, text string) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	answer.kept = append(answer.kept, text)
	where := abi.OfText(text)
	put32(at, where.At)
	put32(at+4, where.Len)
}

func clearAnswer() {
	answer.area = [5]uint64{}
	answer.kept = answer.kept[:0]
}

//go:wasmexport plugbus:plugin/subscriber@0.1.0#init
func exportInit(at, length uint32) uintptr {
	config := append([]byte(nil), abi.Span{at, length}.View()...)
	abi.Taken()
	clearAnswer()
	filters, err := registered.Start(guest, config)
	if err != nil {
		put32(0, 1)
		putText(4, err.Error())
		return uintptr(unsafe.Pointer(&answer.area))
	}
	list := make([]abi.Span, 0, len(filters))
	for _, filter := range filters {
		filter = strings.ToValidUTF8(filter, "\uFFFD")
		answer.kept = append(answer.kept, filter)
		list = append(list, abi.OfText(filter))
	}
	answer.kept = append(answer.kept, list)
	put32(4, uint32(uintptr(unsafe.Pointer(unsafe.SliceData(list)))))
	put32(8, uint32(len(list)))
	return uintptr(unsafe.Pointer(&answer.area))
}

// record is the contract's event.
type record struct {
	id, source, topic abi.Span
	subject           struct {
		tag  uint32
		text abi.Span
	}
	_           uint32
	timeNs      uint64
	contentType abi.Span
	bodyKind    uint32
	body        abi.Span
	extensions  abi.Span
	attempt     uint32
}

func (r *record) event() Event {
	event := Event{
		ID: r.id.Text(), Source: r.source.Text(), Topic: r.topic.Text(),
		Time:        time.Unix(0, int64(r.timeNs)).UTC(),
		ContentType: r.contentType.Text(),
		Data:        append([]byte{}, r.body.View()...),
		Extensions:  make(map[string]string, r.extensions.Len),
		Attempt:     int(r.attempt),
	}
	if r.subject.tag&0xff == 1 {
		event.Subject = r.subject.text.Text()
	}
	if r.extensions.Len > 0 {
		for _, pair := range unsafe.Slice((*[2]abi.Span)(unsafe.Pointer(uintptr(r.extensions.At))), r.extensions.Len) {
			event.Extensions[pair[0].Text()] = pair[1].Text()
		}
	}
	return event
}

//go:wasmexport plugbus:plugin/subscriber@0.1.0#handle
func exportHandle(at uint32) uintptr {
	event := (*record)(unsafe.Pointer(uintptr(at))).event()
	abi.Taken()
	clearAnswer()
	reply, err := registered.Deliver(guest, event)
	var retry *RetryError
	switch {
	case err == nil && reply == nil:
	case err == nil:
		put32(8, 1)
		putText(12, reply.ContentType)
		put32(20, bodyBytes)
		answer.kept = append(answer.kept, reply.Data)
		where := abi.OfBytes(reply.Data)
		put32(24, where.At)
		put32(28, where.Len)
	case errors.As(err, &retry):
		put32(0, 1)
		putText(16, retry.Reason)
		if retry.After >= 0 {
			put32(24, 1)
			answer.area[4] = uint64(retry.After.Milliseconds())
		}
	default:
		put32(0, 1)
		put32(8, 1)
		putText(16, err.Error())
	}
	return uintptr(unsafe.Pointer(&answer.area))
}
