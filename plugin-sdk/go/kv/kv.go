// Package kv is a plugin's store: keys and values that outlast instances, reloads and, where the host keeps a journal, restarts. The
// manifest grants it, with kv = true under [grants]; a plugin that does not import this package needs no grant.
//
//	counts := kv.Open("counts")
//	n, err := counts.Increment(ctx, event.Topic, 1)
//
// What a handler writes is committed when it returns a nil error, together with what it published, or not at all. So this counts each
// event once, whatever is repeated and whoever crashes, at any number of instances: where two have met, the host repeats one of them.
//
// Bounds, each a key under [limits] of the manifest: a key has 1 to 256 bytes, a value at most 64 KiB, the whole store at most 16 MiB.
// In Init a bucket may be opened; there is nothing to commit with, so reads and writes are refused.
package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"plugbus"
)

// Store is what a host keeps: the sandbox's imports in a component, a map in a test. Plugins use [Bucket].
type Store interface {
	Get(bucket, key string) (value []byte, found bool, err error)
	Set(bucket, key string, value []byte) error
	Delete(bucket, key string) error
	Increment(bucket, key string, delta uint64) (sum uint64, err error)
	Keys(bucket string) ([]string, error)
}

type storeKey struct{}

// WithStore makes a context whose store this is, for plugbustest.
func WithStore(ctx context.Context, store Store) context.Context {
	return context.WithValue(ctx, storeKey{}, store)
}

// ErrNoSuchBucket is a name that no bucket can have: of more than 64 bytes, or with control characters. It rejects the event.
var ErrNoSuchBucket = errors.New("kv: there is no such bucket: a name has at most 64 bytes and no control characters")

// RefusedError is why the host did not do what it was asked for; nothing was changed by it. Returned by a handler it is a
// [plugbus.RetryError]: others may have made room by the time that the event comes again.
type RefusedError struct {
	// Detail is what the host said: it names the key and the limit.
	Detail string
}

func (e *RefusedError) Error() string { return "kv: the store refused: " + e.Detail }

// Unwrap says what the error means for the event.
func (e *RefusedError) Unwrap() error { return plugbus.Retry(e.Error()) }

// Bucket is keys and values under a name. The zero value is the bucket "default".
type Bucket struct{ name string }

// Open gives the bucket of a name, 1 to 64 bytes; every one is there from the beginning. The empty name stands for "default".
func Open(name string) Bucket { return Bucket{name} }

// Get gives the value of a key, and whether there is one.
func (b Bucket) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	if err := b.check(key); err != nil {
		return nil, false, err
	}
	return storeOf(ctx).Get(b.name, key)
}

// Set gives a key a value.
func (b Bucket) Set(ctx context.Context, key string, value []byte) error {
	if err := b.check(key); err != nil {
		return err
	}
	return storeOf(ctx).Set(b.name, key, value)
}

// GetJSON reads the value of a key into v, as encoding/json does; false where there is none.
func (b Bucket) GetJSON(ctx context.Context, key string, v any) (found bool, err error) {
	value, found, err := b.Get(ctx, key)
	if err != nil || !found {
		return false, err
	}
	if err := json.Unmarshal(value, v); err != nil {
		return true, fmt.Errorf("kv: value of key %q: %w", key, err)
	}
	return true, nil
}

// SetJSON gives a key a value in its JSON form.
func (b Bucket) SetJSON(ctx context.Context, key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("kv: value of key %q: %w", key, err)
	}
	return b.Set(ctx, key, value)
}

// Delete takes a key away, there or not.
func (b Bucket) Delete(ctx context.Context, key string) error {
	if err := b.check(key); err != nil {
		return err
	}
	return storeOf(ctx).Delete(b.name, key)
}

// Increment adds to a number, which is kept as decimal text, and gives the sum. A key that is not there counts as zero.
func (b Bucket) Increment(ctx context.Context, key string, delta uint64) (sum uint64, err error) {
	if err := b.check(key); err != nil {
		return 0, err
	}
	return storeOf(ctx).Increment(b.name, key, delta)
}

// Keys are all keys of the bucket, in their order.
func (b Bucket) Keys(ctx context.Context) ([]string, error) {
	if err := b.check(""); err != nil {
		return nil, err
	}
	return storeOf(ctx).Keys(b.name)
}

// check refuses what could not cross the border.
func (b Bucket) check(key string) error {
	if !utf8.ValidString(b.name) {
		return ErrNoSuchBucket
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("kv: key %q is no UTF-8", key)
	}
	return nil
}
