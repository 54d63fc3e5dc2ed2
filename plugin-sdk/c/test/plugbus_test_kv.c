/* The store of a plugin under test: in memory, by the host's rules. */
#include "host.h"
#include "plugbus_test.h"
#include "plugbus_test_parts.h"

/* Bounds as on a host by default, and what a pair costs beside its own bytes. */
#define BUCKET_BYTES_MAX 64
#define KEY_BYTES_MAX 256
#define VALUE_BYTES_MAX (64u << 10)
#define STORE_BYTES_MAX (16u << 20)
#define PAIR_BYTES 64

typedef struct pair {
    plugbus_str bucket, key, value;
} pair;

/* Sorted by bucket and key. What is in them is never freed: tests are short. */
typedef struct table {
    pair *pairs;
    size_t len;
} table;

static table committed, changed;
static bool in_handler;

static table copy_of(const table *from) {
    table made = {malloc((from->len + 1) * sizeof(pair)), from->len};
    if (!made.pairs) abort();
    if (from->len) memcpy(made.pairs, from->pairs, from->len * sizeof(pair));
    return made;
}

void plugbus_test_kv_clear(void) {
    committed.len = 0;
    in_handler = false;
}

void plugbus_test_kv_begin(void) {
    changed = copy_of(&committed);
    in_handler = true;
}

void plugbus_test_kv_end(bool acked) {
    if (acked) committed = changed;
    in_handler = false;
}

static int compare(plugbus_str a, plugbus_str b) {
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static plugbus_str named(plugbus_str bucket) { return bucket.len ? bucket : plugbus_str_of("default"); }

/* Where a key is, or would be. */
static size_t place(const table *in, plugbus_str bucket, plugbus_str key) {
    size_t at = 0;
    for (; at < in->len; at++) {
        int order = compare(in->pairs[at].bucket, bucket);
        if (order > 0 || (order == 0 && compare(in->pairs[at].key, key) >= 0)) break;
    }
    return at;
}

static bool is_there(const table *in, size_t at, plugbus_str bucket, plugbus_str key) {
    return at < in->len && compare(in->pairs[at].bucket, bucket) == 0 && compare(in->pairs[at].key, key) == 0;
}

static bool fits(plugbus_str bucket, plugbus_str key) {
    if (!in_handler) {
        plugbus_fail("the store refused: the store is not there in `init`");
        return false;
    }
    bool is_name = bucket.len <= BUCKET_BYTES_MAX;
    for (size_t i = 0; i < bucket.len; i++) is_name = is_name && (unsigned char)bucket.ptr[i] >= ' ' && bucket.ptr[i] != 0x7f;
    if (!is_name) {
        plugbus_fail("the store refused: there is no such bucket: a name has at most 64 bytes and no control characters");
        return false;
    }
    if (key.len < 1 || key.len > KEY_BYTES_MAX) {
        plugbus_fail("the store refused: a key of %zu bytes; 1 to %d are allowed", key.len, KEY_BYTES_MAX);
        return false;
    }
    return true;
}

bool plugbus_host_kv_get(plugbus_str bucket, plugbus_str key, plugbus_str *value) {
    if (!fits(bucket, key)) return false;
    size_t at = place(&changed, named(bucket), key);
    plugbus_str none = {NULL, 0};
    *value = is_there(&changed, at, named(bucket), key) ? changed.pairs[at].value : none;
    return true;
}

bool plugbus_host_kv_set(plugbus_str bucket, plugbus_str key, plugbus_str value) {
    if (!fits(bucket, key)) return false;
    if (value.len > VALUE_BYTES_MAX) {
        plugbus_fail("the store refused: a value of %zu bytes; at most %u are allowed", value.len, VALUE_BYTES_MAX);
        return false;
    }
    bucket = named(bucket);
    table next = copy_of(&changed);
    size_t at = place(&next, bucket, key);
    if (!is_there(&next, at, bucket, key)) {
        memmove(next.pairs + at + 1, next.pairs + at, (next.len - at) * sizeof(pair));
        next.len++;
        next.pairs[at].bucket = plugbus_test_keep(bucket);
        next.pairs[at].key = plugbus_test_keep(key);
    }
    next.pairs[at].value = plugbus_test_keep(value);
    size_t bytes = 0;
    for (size_t i = 0; i < next.len; i++) {
        bytes += next.pairs[i].bucket.len + next.pairs[i].key.len + next.pairs[i].value.len + PAIR_BYTES;
    }
    if (bytes > STORE_BYTES_MAX) {
        plugbus_fail("the store refused: the store would have %zu bytes; at most %u are allowed", bytes, STORE_BYTES_MAX);
        return false;
    }
    changed = next;
    return true;
}

bool plugbus_host_kv_delete(plugbus_str bucket, plugbus_str key) {
    if (!fits(bucket, key)) return false;
    size_t at = place(&changed, named(bucket), key);
    if (is_there(&changed, at, named(bucket), key)) {
        changed.len--;
        memmove(changed.pairs + at, changed.pairs + at + 1, (changed.len - at) * sizeof(pair));
    }
    return true;
}

bool plugbus_host_kv_increment(plugbus_str bucket, plugbus_str key, uint64_t delta, uint64_t *sum) {
    plugbus_str value;
    if (!plugbus_host_kv_get(bucket, key, &value)) return false;
    uint64_t number = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned digit = (unsigned char)value.ptr[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) value.len = 0;
        number = number * 10 + digit;
    }
    if ((value.ptr && value.len == 0) || number > UINT64_MAX - delta) {
        plugbus_fail("the store refused: key `" PLUGBUS_FMT "` cannot be incremented: no whole number of 64 bits", PLUGBUS_ARG(key));
        return false;
    }
    *sum = number + delta;
    return plugbus_host_kv_set(bucket, key, plugbus_printf("%llu", (unsigned long long)*sum));
}

bool plugbus_host_kv_keys(plugbus_str bucket, const plugbus_str **keys, size_t *keys_len) {
    if (!fits(bucket, plugbus_str_of("any"))) return false;
    plugbus_str *found = plugbus_alloc((changed.len + 1) * sizeof *found);
    size_t len = 0;
    for (size_t i = 0; i < changed.len; i++) {
        if (compare(changed.pairs[i].bucket, named(bucket)) == 0) found[len++] = changed.pairs[i].key;
    }
    *keys = found;
    *keys_len = len;
    return true;
}

plugbus_str plugbus_test_stored(const char *bucket, const char *key) {
    plugbus_str of = named(plugbus_str_of(bucket)), name = plugbus_str_of(key), none = {NULL, 0};
    size_t at = place(&committed, of, name);
    return is_there(&committed, at, of, name) ? committed.pairs[at].value : none;
}
