//go:build wasip1

package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"plugbus/internal/abi"
)

// readMax is how much is read at one time: what the host hands over lies in a slab of 64 KiB at first, see internal/abi.
const readMax = 32 << 10

// methods are in the order of wasi:http; another one is a case of its own, with its name.
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

type imports struct{}

func clientOf(context.Context) Client { return imports{} }

func (imports) Send(sent *Sent) (*Response, error) {
	e := &exchange{sent: sent}
	defer e.release()
	return e.run()
}

// exchange is one request and its answer, with the host's resources that it holds: an instance may have few of them open. They are given
// back in the reverse order, children before parents.
type exchange struct {
	sent  *Sent
	timer uint32
	held  []resource
}

type resource struct {
	handle uint32
	drop   func(uint32)
}

func (e *exchange) hold(handle uint32, drop func(uint32)) uint32 {
	e.held = append(e.held, resource{handle, drop})
	return handle
}

// give hands the one that was held last over to the host; it is no longer ours to drop.
func (e *exchange) give() uint32 {
	last := e.held[len(e.held)-1]
	e.held = e.held[:len(e.held)-1]
	return last.handle
}

// drop gives back the one that was held last.
func (e *exchange) drop() {
	last := e.held[len(e.held)-1]
	e.held = e.held[:len(e.held)-1]
	last.drop(last.handle)
}

func (e *exchange) release() {
	for len(e.held) > 0 {
		e.drop()
	}
}

func (e *exchange) run() (*Response, error) {
	e.timer = e.hold(subscribeDuration(uint64(e.sent.Timeout)), dropPollable)
	future, err := e.send()
	if err != nil {
		return nil, err
	}
	if err := e.wait(subscribeFuture(future)); err != nil {
		return nil, err
	}
	var result struct {
		some, outer, inner uint64
		code               errorCode // or the answer, in its place
	}
	getResponse(future, unsafe.Pointer(&result))
	switch {
	case result.some&0xff == 0 || result.outer&0xff != 0:
		return nil, broken("the answer is not there")
	case result.inner&0xff != 0:
		return nil, e.fault(&result.code)
	}
	return e.read(e.hold(uint32(result.code.which), dropResponse))
}

// send sends the request whole, and gives the future of its answer.
func (e *exchange) send() (future uint32, err error) {
	request, err := e.request()
	if err != nil {
		return 0, err
	}
	var body struct{ tag, handle uint32 }
	requestBody(request, unsafe.Pointer(&body))
	if body.tag&0xff != 0 {
		return 0, broken("the request has no body")
	}
	var result struct {
		tag  uint64
		code errorCode // or the future, in its place
	}
	// No options: the timer bounds every wait, and what is dropped the host gives up.
	handle(e.give(), 0, 0, unsafe.Pointer(&result))
	if result.tag&0xff != 0 {
		dropOutgoingBody(body.handle)
		return 0, e.fault(&result.code)
	}
	future = e.hold(uint32(result.code.which), dropFuture)
	// After handle: a host may read the body only once it has a connection. Where it does not take all of it, the answer says why.
	err = e.write(e.hold(body.handle, dropOutgoingBody))
	if failed := (*Error)(nil); errors.As(err, &failed) && failed.Code == TimedOut {
		return 0, err
	}
	return future, nil
}

// request makes the request, and holds it.
func (e *exchange) request() (uint32, error) {
	fields := e.hold(newFields(), dropFields)
	for name, values := range e.sent.Header {
		for _, value := range values {
			var result struct{ tag, which uint8 }
			nameAt, nameLen := pointer(name)
			valueAt, valueLen := pointer(value)
			if appendField(fields, nameAt, nameLen, valueAt, valueLen, unsafe.Pointer(&result)); result.tag != 0 {
				return 0, invalid("the host refuses the header %q", name)
			}
		}
	}
	request := e.hold(newRequest(e.give()), dropRequest)
	method := slices.Index(methods, e.sent.Method)
	other, otherLen := pointer("")
	if method < 0 {
		method = len(methods)
		other, otherLen = pointer(e.sent.Method)
	}
	if setMethod(request, uint32(method), other, otherLen) != 0 {
		return 0, invalid("the host refuses the method %q", e.sent.Method)
	}
	scheme := uint32(0)
	if e.sent.target.isHTTPS {
		scheme = 1
	}
	none, _ := pointer("")
	if setScheme(request, 1, scheme, none, 0) != 0 {
		return 0, invalid("the host refuses the scheme of %q", e.sent.URL)
	}
	at, length := pointer(e.sent.target.authority)
	if setAuthority(request, 1, at, length) != 0 {
		return 0, invalid("the host refuses the authority of %q", e.sent.URL)
	}
	at, length = pointer(e.sent.target.path)
	if setPath(request, 1, at, length) != 0 {
		return 0, invalid("the host refuses the path of %q", e.sent.URL)
	}
	return request, nil
}

// write sends the body, which is held, as the host takes it, and finishes it.
func (e *exchange) write(body uint32) error {
	var opened struct{ tag, handle uint32 }
	if bodyWrite(body, unsafe.Pointer(&opened)); opened.tag&0xff != 0 {
		return broken("the body was taken before")
	}
	stream := e.hold(opened.handle, dropOutput)
	var result struct {
		tag uint32
		streamError
	}
	for rest := e.sent.Body; len(rest) > 0; {
		room, err := e.room(stream)
		if err != nil {
			return err
		}
		part := rest[:min(room, uint64(len(rest)))]
		rest = rest[len(part):]
		if write(stream, unsafe.Pointer(unsafe.SliceData(part)), uint32(len(part)), unsafe.Pointer(&result)); result.tag&0xff != 0 {
			return e.streamFault(&result.streamError)
		}
	}
	if flush(stream, unsafe.Pointer(&result)); result.tag&0xff != 0 {
		return e.streamFault(&result.streamError)
	}
	if err := e.wait(subscribeOutput(stream)); err != nil {
		return err
	}
	e.drop()
	var finished struct {
		tag  uint64
		code errorCode
	}
	if finishBody(e.give(), 0, 0, unsafe.Pointer(&finished)); finished.tag&0xff != 0 {
		return e.fault(&finished.code)
	}
	return nil
}

// room is how much a stream takes, once it takes something.
func (e *exchange) room(stream uint32) (uint64, error) {
	if err := e.wait(subscribeOutput(stream)); err != nil {
		return 0, err
	}
	var result struct {
		tag  uint64
		room uint64 // or the error, in its place
	}
	if checkWrite(stream, unsafe.Pointer(&result)); result.tag&0xff != 0 {
		return 0, e.streamFault((*streamError)(unsafe.Pointer(&result.room)))
	}
	return result.room, nil
}

// read reads an answer, which is held.
func (e *exchange) read(response uint32) (*Response, error) {
	answer := &Response{Status: int(statusOf(response)), Header: Header{}}
	fields := e.hold(headersOf(response), dropFields)
	var list abi.Span
	entriesOf(fields, unsafe.Pointer(&list))
	if list.Len > 0 {
		for _, entry := range unsafe.Slice((*[2]abi.Span)(unsafe.Pointer(uintptr(list.At))), list.Len) {
			answer.Header.Add(textOf(entry[0]), textOf(entry[1]))
		}
	}
	abi.Taken()
	e.drop()
	answer.IsCut = !e.readBody(response, answer)
	return answer, nil
}

// readBody reads as much as is wanted, and says whether that is all. One byte more is asked for, to know whether there is more.
func (e *exchange) readBody(response uint32, answer *Response) bool {
	var result struct {
		tag, handle uint32 // or what was read
		length      uint32
	}
	if consume(response, unsafe.Pointer(&result)); result.tag&0xff != 0 {
		return false
	}
	body := e.hold(result.handle, dropIncomingBody)
	if bodyStream(body, unsafe.Pointer(&result)); result.tag&0xff != 0 {
		return false
	}
	stream := e.hold(result.handle, dropInput)
	for {
		if e.wait(subscribeInput(stream)) != nil {
			return false
		}
		left := e.sent.ResponseBytesMax - len(answer.Body)
		read(stream, uint64(min(left, readMax-1)+1), unsafe.Pointer(&result))
		if result.tag&0xff != 0 {
			failed := streamError{which: result.handle, handle: result.length}
			if !failed.isEnd() {
				dropError(failed.handle)
			}
			return failed.isEnd()
		}
		chunk := abi.Span{At: result.handle, Len: result.length}.View()
		answer.Body = append(answer.Body, chunk[:min(len(chunk), left)]...)
		abi.Taken()
		if len(chunk) > left {
			return false
		}
	}
}

// wait waits for a pollable until the time is up, and gives it back.
func (e *exchange) wait(pollable uint32) error {
	defer dropPollable(pollable)
	both := [2]uint32{pollable, e.timer}
	var ready abi.Span
	poll(unsafe.Pointer(&both), 2, unsafe.Pointer(&ready))
	defer abi.Taken()
	// The first counts even when the time is up as well; the host may name it second.
	if ready.Len > 0 && slices.Contains(unsafe.Slice((*uint32)(unsafe.Pointer(uintptr(ready.At))), ready.Len), 0) {
		return nil
	}
	return e.timedOut()
}

func (e *exchange) timedOut() error {
	return &Error{TimedOut, fmt.Sprintf("no answer within %v", e.sent.Timeout.Round(time.Millisecond))}
}

func pointer(text string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(text)), uint32(len(text))
}
