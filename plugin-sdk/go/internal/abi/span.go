//go:build wasip1

// Package abi is what all of a component's imports and exports need of the canonical ABI: views of memory, and memory for the host.
package abi

import "unsafe"

// Span is text or a list as it lies in memory. What it points to must be kept alive by other means.
type Span struct{ At, Len uint32 }

// OfText is where a text lies.
func OfText(text string) Span {
	return Span{uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))), uint32(len(text))}
}

// OfBytes is where bytes lie.
func OfBytes(data []byte) Span {
	return Span{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(data)))), uint32(len(data))}
}

// View is what lies there, without a copy.
func (s Span) View() []byte {
	if s.Len == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(uintptr(s.At))), s.Len)
}

// Text is a copy of it.
func (s Span) Text() string { return string(s.View()) }
