package plugbustest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugbus/kv"
)

// Bounds of the store, as on a host by default; what a pair costs beside its own bytes.
const (
	keyBytesMax   = 256
	valueBytesMax = 64 << 10
	storeBytesMax = 16 << 20
	pairBytes     = 64
)

// place is a bucket and a key.
type place struct{ bucket, key string }

// Stored is the value of a key in the store as handlers that acked have left it, and whether there is one. The bucket "" is "default".
func (h *Host) Stored(bucket, key string) (value []byte, found bool) {
	value, found = h.store[place{bucketOf(bucket), key}]
	return value, found
}

func bucketOf(name string) string {
	if name == "" {
		return "default"
	}
	return name
}

// find is the place of a key, while an event is handled.
func (r recorder) find(bucket, key string) (place, error) {
	if r.host.event == nil {
		return place{}, &kv.RefusedError{Detail: "the store is not there in `init`"}
	}
	if len(bucket) > 64 || strings.ContainsFunc(bucket, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return place{}, kv.ErrNoSuchBucket
	}
	if len(key) < 1 || len(key) > keyBytesMax {
		return place{}, &kv.RefusedError{Detail: fmt.Sprintf("a key of %d bytes; 1 to %d are allowed", len(key), keyBytesMax)}
	}
	return place{bucketOf(bucket), key}, nil
}

func (r recorder) Get(bucket, key string) ([]byte, bool, error) {
	at, err := r.find(bucket, key)
	if err != nil {
		return nil, false, err
	}
	value, found := r.host.changed[at]
	return slices.Clone(value), found, nil
}

func (r recorder) Set(bucket, key string, value []byte) error {
	at, err := r.find(bucket, key)
	if err != nil {
		return err
	}
	if len(value) > valueBytesMax {
		return &kv.RefusedError{Detail: fmt.Sprintf("key %q: a value of %d bytes; at most %d are allowed", key, len(value), valueBytesMax)}
	}
	next := maps.Clone(r.host.changed)
	next[at] = append([]byte{}, value...)
	size := 0
	for at, value := range next {
		size += len(at.bucket) + len(at.key) + len(value) + pairBytes
	}
	if size > storeBytesMax {
		return &kv.RefusedError{Detail: fmt.Sprintf("key %q: the store would have %d bytes; at most %d are allowed", key, size, storeBytesMax)}
	}
	r.host.changed = next
	return nil
}

func (r recorder) Delete(bucket, key string) error {
	at, err := r.find(bucket, key)
	if err == nil {
		delete(r.host.changed, at)
	}
	return err
}

func (r recorder) Increment(bucket, key string, delta uint64) (uint64, error) {
	value, found, err := r.Get(bucket, key)
	if err != nil {
		return 0, err
	}
	var number uint64
	if found {
		if number, err = strconv.ParseUint(string(value), 10, 64); err != nil {
			return 0, &kv.RefusedError{Detail: fmt.Sprintf("key %q cannot be incremented: its value is no whole number", key)}
		}
	}
	if number+delta < number {
		return 0, &kv.RefusedError{Detail: fmt.Sprintf("key %q cannot be incremented: the number would have more than 64 bits", key)}
	}
	return number + delta, r.Set(bucket, key, strconv.AppendUint(nil, number+delta, 10))
}

func (r recorder) Keys(bucket string) ([]string, error) {
	if _, err := r.find(bucket, "any"); err != nil {
		return nil, err
	}
	var keys []string
	for at := range r.host.changed {
		if at.bucket == bucketOf(bucket) {
			keys = append(keys, at.key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}
