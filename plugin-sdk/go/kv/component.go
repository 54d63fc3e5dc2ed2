//go:build wasip1

package kv

import (
	"context"
	"unsafe"

	"plugbus/internal/abi"
)

// This file is the component's side: wasi:keyvalue in the canonical ABI, with pointers and lengths of 4 bytes. A result lies where its
// last argument points: the case first, then what belongs to it.

//go:wasmimport wasi:keyvalue/store@0.2.0-draft open
func importOpen(name unsafe.Pointer, nameLen uint32, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [resource-drop]bucket
func importDrop(bucket uint32)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.get
func importGet(bucket uint32, key unsafe.Pointer, keyLen uint32, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.set
func importSet(bucket uint32, key unsafe.Pointer, keyLen uint32, value unsafe.Pointer, valueLen uint32, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.delete
func importDelete(bucket uint32, key unsafe.Pointer, keyLen uint32, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.list-keys
func importListKeys(bucket uint32, hasCursor uint32, cursor uint64, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft increment
func importIncrement(bucket uint32, key unsafe.Pointer, keyLen uint32, delta uint64, result unsafe.Pointer)

// refusal is the contract's error where it lies in a result.
type refusal struct {
	kind uint32 // no such store, access denied, other
	text abi.Span
}

func (r *refusal) error() error {
	switch r.kind & 0xff {
	case 0:
		return ErrNoSuchBucket
	case 1:
		return &RefusedError{"access denied"}
	}
	return &RefusedError{r.text.Text()}
}

func pointer(text string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(text)), uint32(len(text))
}

type imports struct{}

func storeOf(context.Context) Store { return imports{} }

// in runs something on a bucket, which is there for its time only: an instance may have few resources open.
func in(name string, run func(bucket uint32) error) error {
	var result struct {
		tag     uint32
		refusal // or the bucket, in the place of its kind
	}
	at, length := pointer(name)
	importOpen(at, length, unsafe.Pointer(&result))
	defer abi.Taken()
	if result.tag&0xff != 0 {
		return result.error()
	}
	bucket := result.kind
	defer importDrop(bucket)
	return run(bucket)
}

func (imports) Get(name, key string) (value []byte, found bool, err error) {
	err = in(name, func(bucket uint32) error {
		var result struct {
			tag     uint32
			refusal // or whether there is one, and the value
		}
		at, length := pointer(key)
		importGet(bucket, at, length, unsafe.Pointer(&result))
		if result.tag&0xff != 0 {
			return result.error()
		}
		if found = result.kind&0xff == 1; found {
			value = append([]byte{}, result.text.View()...)
		}
		return nil
	})
	return value, found, err
}

func (imports) Set(name, key string, value []byte) error {
	return changed(name, func(bucket uint32, result unsafe.Pointer) {
		at, length := pointer(key)
		importSet(bucket, at, length, unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)), result)
	})
}

func (imports) Delete(name, key string) error {
	return changed(name, func(bucket uint32, result unsafe.Pointer) {
		at, length := pointer(key)
		importDelete(bucket, at, length, result)
	})
}

// changed runs what answers with nothing or an error.
func changed(name string, change func(bucket uint32, result unsafe.Pointer)) error {
	return in(name, func(bucket uint32) error {
		var result struct {
			tag uint32
			refusal
		}
		change(bucket, unsafe.Pointer(&result))
		if result.tag&0xff != 0 {
			return result.error()
		}
		return nil
	})
}

func (imports) Increment(name, key string, delta uint64) (sum uint64, err error) {
	err = in(name, func(bucket uint32) error {
		// The sum is aligned to 8 bytes, and the error with it.
		var result struct {
			tag  uint64
			more [2]uint64
		}
		at, length := pointer(key)
		importIncrement(bucket, at, length, delta, unsafe.Pointer(&result))
		if result.tag&0xff != 0 {
			return (*refusal)(unsafe.Pointer(&result.more)).error()
		}
		sum = result.more[0]
		return nil
	})
	return sum, err
}

func (imports) Keys(name string) (keys []string, err error) {
	err = in(name, func(bucket uint32) error {
		var hasCursor uint32
		var cursor uint64
		for {
			var result struct {
				tag       uint64
				list      abi.Span // or the error, which is longer
				hasCursor uint64
				cursor    uint64
			}
			importListKeys(bucket, hasCursor, cursor, unsafe.Pointer(&result))
			if result.tag&0xff != 0 {
				return (*refusal)(unsafe.Pointer(&result.list)).error()
			}
			if result.list.Len > 0 {
				for _, key := range unsafe.Slice((*abi.Span)(unsafe.Pointer(uintptr(result.list.At))), result.list.Len) {
					keys = append(keys, key.Text())
				}
			}
			abi.Taken()
			if result.hasCursor&0xff == 0 {
				return nil
			}
			hasCursor, cursor = 1, result.cursor
		}
	})
	return keys, err
}
