//go:build wasip1

package fetch

import "unsafe"

// The functions of wasi:http, and what it needs beside it, in the canonical ABI, with pointers and lengths of 4 bytes. A result that is
// more than a number lies where the last argument points: the case first, then what belongs to it. A function that says result with
// nothing in it gives 0 where it went well.

//go:wasmimport wasi:http/types@0.2.10 [constructor]fields
func newFields() uint32

//go:wasmimport wasi:http/types@0.2.10 [method]fields.append
func appendField(fields uint32, name unsafe.Pointer, nameLen uint32, value unsafe.Pointer, valueLen uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [method]fields.entries
func entriesOf(fields uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [resource-drop]fields
func dropFields(fields uint32)

//go:wasmimport wasi:http/types@0.2.10 [constructor]outgoing-request
func newRequest(fields uint32) uint32

//go:wasmimport wasi:http/types@0.2.10 [method]outgoing-request.set-method
func setMethod(request, method uint32, other unsafe.Pointer, otherLen uint32) uint32

//go:wasmimport wasi:http/types@0.2.10 [method]outgoing-request.set-scheme
func setScheme(request, some, scheme uint32, other unsafe.Pointer, otherLen uint32) uint32

//go:wasmimport wasi:http/types@0.2.10 [method]outgoing-request.set-authority
func setAuthority(request, some uint32, authority unsafe.Pointer, authorityLen uint32) uint32

//go:wasmimport wasi:http/types@0.2.10 [method]outgoing-request.set-path-with-query
func setPath(request, some uint32, path unsafe.Pointer, pathLen uint32) uint32

//go:wasmimport wasi:http/types@0.2.10 [method]outgoing-request.body
func requestBody(request uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [resource-drop]outgoing-request
func dropRequest(request uint32)

//go:wasmimport wasi:http/types@0.2.10 [method]outgoing-body.write
func bodyWrite(body uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [static]outgoing-body.finish
func finishBody(body, some, trailers uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [resource-drop]outgoing-body
func dropOutgoingBody(body uint32)

//go:wasmimport wasi:http/outgoing-handler@0.2.10 handle
func handle(request, some, options uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [method]future-incoming-response.subscribe
func subscribeFuture(future uint32) uint32

//go:wasmimport wasi:http/types@0.2.10 [method]future-incoming-response.get
func getResponse(future uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [resource-drop]future-incoming-response
func dropFuture(future uint32)

//go:wasmimport wasi:http/types@0.2.10 [method]incoming-response.status
func statusOf(response uint32) uint32

//go:wasmimport wasi:http/types@0.2.10 [method]incoming-response.headers
func headersOf(response uint32) uint32

//go:wasmimport wasi:http/types@0.2.10 [method]incoming-response.consume
func consume(response uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [resource-drop]incoming-response
func dropResponse(response uint32)

//go:wasmimport wasi:http/types@0.2.10 [method]incoming-body.stream
func bodyStream(body uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.10 [resource-drop]incoming-body
func dropIncomingBody(body uint32)

//go:wasmimport wasi:http/types@0.2.10 http-error-code
func errorCodeOf(err uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.10 [method]input-stream.read
func read(stream uint32, length uint64, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.10 [method]input-stream.subscribe
func subscribeInput(stream uint32) uint32

//go:wasmimport wasi:io/streams@0.2.10 [resource-drop]input-stream
func dropInput(stream uint32)

//go:wasmimport wasi:io/streams@0.2.10 [method]output-stream.check-write
func checkWrite(stream uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.10 [method]output-stream.write
func write(stream uint32, data unsafe.Pointer, dataLen uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.10 [method]output-stream.flush
func flush(stream uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.10 [method]output-stream.subscribe
func subscribeOutput(stream uint32) uint32

//go:wasmimport wasi:io/streams@0.2.10 [resource-drop]output-stream
func dropOutput(stream uint32)

//go:wasmimport wasi:io/error@0.2.10 [method]error.to-debug-string
func debugString(err uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/error@0.2.10 [resource-drop]error
func dropError(err uint32)

//go:wasmimport wasi:io/poll@0.2.10 poll
func poll(pollables unsafe.Pointer, length uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/poll@0.2.10 [resource-drop]pollable
func dropPollable(pollable uint32)

//go:wasmimport wasi:clocks/monotonic-clock@0.2.10 subscribe-duration
func subscribeDuration(ns uint64) uint32
