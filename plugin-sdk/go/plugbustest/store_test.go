package plugbustest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"plugbus"
	"plugbus/kv"
	"plugbus/plugbustest"
)

func storing(handle func(ctx context.Context, bucket kv.Bucket) error) plugbus.Plugin {
	return plugin(func(ctx context.Context, _ plugbus.Event) (any, error) { return nil, handle(ctx, kv.Open("b")) })
}

func TestWhatIsWrittenIsCommittedWithTheAckOrNotAtAll(t *testing.T) {
	fails := false
	host := plugbustest.New(t, storing(func(ctx context.Context, bucket kv.Bucket) error {
		n, err := bucket.Increment(ctx, "n", 2)
		if err == nil {
			err = bucket.SetJSON(ctx, "last", map[string]uint64{"n": n})
		}
		if err == nil && fails {
			err = errors.New("no")
		}
		return err
	}), nil)
	for _, fails = range []bool{false, true, false} {
		if _, err := host.Send(plugbustest.Event("a.b", nil)); (err != nil) != fails {
			t.Fatal(err)
		}
	}
	if value, _ := host.Stored("b", "last"); string(value) != `{"n":4}` {
		t.Error(string(value))
	}
}

func TestKeysAreReadListedAndDeleted(t *testing.T) {
	host := plugbustest.New(t, storing(func(ctx context.Context, bucket kv.Bucket) error {
		for _, key := range []string{"b", "a", "c"} {
			if err := bucket.Set(ctx, key, []byte("of "+key)); err != nil {
				return err
			}
		}
		if err := bucket.Delete(ctx, "c"); err != nil {
			return err
		}
		keys, err := bucket.Keys(ctx)
		if err != nil || !slices.Equal(keys, []string{"a", "b"}) {
			t.Error(keys, err)
		}
		var other string
		if found, err := (kv.Bucket{}).GetJSON(ctx, "a", &other); found || err != nil {
			t.Error("buckets are apart", found, err)
		}
		_, err = bucket.GetJSON(ctx, "a", &other)
		return err
	}), nil)
	_, err := host.Send(plugbustest.Event("a.b", nil))
	var rejected *plugbus.RejectError
	if !errors.As(err, &rejected) || !strings.Contains(err.Error(), `value of key "a"`) {
		t.Error(err)
	}
}

func TestWhatTheStoreRefusesIsRetriedAndWhatCannotBeIsRejected(t *testing.T) {
	table := []struct {
		run     func(ctx context.Context, bucket kv.Bucket) error
		isRetry bool
	}{
		{func(ctx context.Context, b kv.Bucket) error { return b.Set(ctx, "k", make([]byte, 64<<10+1)) }, true},
		{func(ctx context.Context, b kv.Bucket) error { return b.Set(ctx, strings.Repeat("k", 257), nil) }, true},
		{func(ctx context.Context, b kv.Bucket) error { return kv.Open("a\n").Delete(ctx, "k") }, false},
		{func(ctx context.Context, b kv.Bucket) error { return b.Delete(ctx, "\xff") }, false},
		{func(context.Context, kv.Bucket) error {
			_, _, err := kv.Open("").Get(context.Background(), "k")
			return err
		}, true},
	}
	for i, row := range table {
		_, err := plugbustest.New(t, storing(row.run), nil).Send(plugbustest.Event("a.b", nil))
		var retry *plugbus.RetryError
		if err == nil || errors.As(err, &retry) != row.isRetry {
			t.Error(i, err)
		}
	}
	refuses := storing(nil)
	refuses.Init = func(ctx context.Context, _ *plugbus.Setup) error { return kv.Open("b").Set(ctx, "k", nil) }
	if _, err := plugbustest.Start(t, refuses, nil); err == nil || !strings.Contains(err.Error(), "in `init`") {
		t.Error(err)
	}
}
