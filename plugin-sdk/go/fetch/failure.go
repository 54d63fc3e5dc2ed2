//go:build wasip1

package fetch

import (
	"strings"
	"unsafe"

	"plugbus/internal/abi"
)

// errorCode is wasi:http's where it lies in memory: 8-aligned, with the payload at its second word.
type errorCode struct {
	which   uint64
	payload [3]uint64
}

// internalError is the place of the case whose payload is a text, perhaps.
const internalError = 38

// errorCodes are the names of its cases, in their order.
var errorCodes = strings.Fields(`DNS-timeout DNS-error destination-not-found destination-unavailable destination-IP-prohibited
	destination-IP-unroutable connection-refused connection-terminated connection-timeout connection-read-timeout
	connection-write-timeout connection-limit-reached TLS-protocol-error TLS-certificate-error TLS-alert-received HTTP-request-denied
	HTTP-request-length-required HTTP-request-body-size HTTP-request-method-invalid HTTP-request-URI-invalid HTTP-request-URI-too-long
	HTTP-request-header-section-size HTTP-request-header-size HTTP-request-trailer-section-size HTTP-request-trailer-size
	HTTP-response-incomplete HTTP-response-header-section-size HTTP-response-header-size HTTP-response-body-size
	HTTP-response-trailer-section-size HTTP-response-trailer-size HTTP-response-transfer-coding HTTP-response-content-coding
	HTTP-response-timeout HTTP-upgrade-failed HTTP-protocol-error loop-detected configuration-error internal-error`)

// fault is what an error code means. What it points to was copied when this returns.
func (e *exchange) fault(code *errorCode) error {
	defer abi.Taken()
	which := int(code.which & 0xff)
	if which >= len(errorCodes) {
		return broken("an error that is not in wasi:http 0.2")
	}
	name := errorCodes[which]
	switch name {
	case "HTTP-request-denied", "destination-IP-prohibited":
		return NotGranted(name, e.sent.Origin())
	case "connection-timeout", "connection-read-timeout", "HTTP-response-timeout":
		return e.timedOut()
	case "HTTP-request-method-invalid", "HTTP-request-URI-invalid", "HTTP-request-URI-too-long", "HTTP-request-body-size",
		"HTTP-request-header-section-size", "HTTP-request-header-size":
		return &Error{Invalid, name}
	case "connection-limit-reached":
		return broken(name + ": more requests than http_requests_max under [limits] allows for an event")
	}
	if which == internalError {
		text := (*struct {
			some uint32
			text abi.Span
		})(unsafe.Pointer(&code.payload))
		if text.some&0xff == 1 {
			return broken(textOf(text.text))
		}
	}
	return broken(name)
}

// streamError is where a result of a stream says that it failed.
type streamError struct {
	which  uint32 // last-operation-failed, closed
	handle uint32 // of the error
}

func (s *streamError) isEnd() bool { return s.which&0xff == 1 }

// streamFault is what an error of a stream means; it gives the error back.
func (e *exchange) streamFault(s *streamError) error {
	if s.isEnd() {
		return broken("the connection was closed early")
	}
	defer dropError(s.handle)
	var result struct {
		some uint64
		code errorCode
	}
	errorCodeOf(s.handle, unsafe.Pointer(&result))
	if result.some&0xff == 1 {
		return e.fault(&result.code)
	}
	var text abi.Span
	debugString(s.handle, unsafe.Pointer(&text))
	defer abi.Taken()
	// A host may put a whole report there; its first line is for people.
	line, _, _ := strings.Cut(textOf(text), "\n")
	return broken(line)
}

func textOf(text abi.Span) string { return strings.ToValidUTF8(text.Text(), "\uFFFD") }

func broken(detail string) error { return &Error{Connection, detail} }
