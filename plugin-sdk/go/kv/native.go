//go:build !wasip1

package kv

import "context"

func storeOf(ctx context.Context) Store {
	if store, ok := ctx.Value(storeKey{}).(Store); ok {
		return store
	}
	return noStore{}
}

// noStore is the store of a context that does not come from a handler.
type noStore struct{}

var errNoStore = &RefusedError{"no event is being handled; pass on the handler's context"}

func (noStore) Get(string, string) ([]byte, bool, error)         { return nil, false, errNoStore }
func (noStore) Set(string, string, []byte) error                 { return errNoStore }
func (noStore) Delete(string, string) error                      { return errNoStore }
func (noStore) Increment(string, string, uint64) (uint64, error) { return 0, errNoStore }
func (noStore) Keys(string) ([]string, error)                    { return nil, errNoStore }
