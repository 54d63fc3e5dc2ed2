/* The component's side of the store: wasi:keyvalue in the canonical ABI. By hand and apart from the generated code, because what is
 * imported must be granted: the linker leaves out what a plugin does not call. */
#include <stdlib.h>

#include "host.h"

#define FROM_STORE(name) __attribute__((import_module("wasi:keyvalue/store@0.2.0-draft"), import_name(name)))
#define FROM_ATOMICS(name) __attribute__((import_module("wasi:keyvalue/atomics@0.2.0-draft"), import_name(name)))

typedef struct kv_error {
    uint8_t kind; /* no such store, access denied, other */
    plugbus_str text;
} kv_error;

/* A result lies as the host writes it: which case, then what belongs to it. */
typedef struct kv_result {
    uint8_t is_error;
    union {
        kv_error error;
        uint32_t bucket;
        struct {
            uint8_t is_some;
            plugbus_str value;
        } found;
    } as;
} kv_result;

typedef struct kv_sum {
    uint8_t is_error;
    union {
        kv_error error;
        uint64_t sum;
    } as;
} kv_sum;

typedef struct kv_page {
    uint8_t is_error;
    union {
        kv_error error;
        struct {
            plugbus_str *keys;
            size_t keys_len;
            uint8_t has_cursor;
            uint64_t cursor;
        } page;
    } as;
} kv_page;

_Static_assert(sizeof(kv_result) == 16 && sizeof(kv_sum) == 24 && sizeof(kv_page) == 32, "the layout of results");

FROM_STORE("open") void kv_import_open(const char *name, size_t name_len, kv_result *result);
FROM_STORE("[resource-drop]bucket") void kv_import_drop(uint32_t bucket);
FROM_STORE("[method]bucket.get") void kv_import_get(uint32_t bucket, const char *key, size_t key_len, kv_result *result);
FROM_STORE("[method]bucket.set")
void kv_import_set(uint32_t bucket, const char *key, size_t key_len, const char *value, size_t value_len, kv_result *result);
FROM_STORE("[method]bucket.delete") void kv_import_delete(uint32_t bucket, const char *key, size_t key_len, kv_result *result);
FROM_STORE("[method]bucket.list-keys")
void kv_import_list_keys(uint32_t bucket, uint32_t has_cursor, uint64_t cursor, kv_page *result);
FROM_ATOMICS("increment")
void kv_import_increment(uint32_t bucket, const char *key, size_t key_len, uint64_t delta, kv_sum *result);

/* What the host gave: a copy in call memory. */
static plugbus_str take(plugbus_str text) {
    plugbus_str made = plugbus_copy(text);
    if (text.len) free((char *)text.ptr);
    return made;
}

static bool failed(const kv_error *error) {
    if (error->kind == 0) {
        plugbus_fail("the store refused: there is no such bucket: a name has at most 64 bytes and no control characters");
    } else if (error->kind == 1) {
        plugbus_fail("the store refused: access denied");
    } else {
        plugbus_str text = take(error->text);
        plugbus_fail("the store refused: " PLUGBUS_FMT, PLUGBUS_ARG(text));
    }
    return false;
}

/* A bucket is there for one operation only: an instance may have few resources open. */
static bool open_bucket(plugbus_str name, uint32_t *bucket) {
    kv_result result;
    kv_import_open(name.ptr, name.len, &result);
    if (result.is_error) return failed(&result.as.error);
    *bucket = result.as.bucket;
    return true;
}

bool plugbus_host_kv_get(plugbus_str name, plugbus_str key, plugbus_str *value) {
    uint32_t bucket;
    kv_result result;
    if (!open_bucket(name, &bucket)) return false;
    kv_import_get(bucket, key.ptr, key.len, &result);
    kv_import_drop(bucket);
    if (result.is_error) return failed(&result.as.error);
    plugbus_str none = {NULL, 0};
    *value = result.as.found.is_some ? take(result.as.found.value) : none;
    return true;
}

bool plugbus_host_kv_set(plugbus_str name, plugbus_str key, plugbus_str value) {
    uint32_t bucket;
    kv_result result;
    if (!open_bucket(name, &bucket)) return false;
    kv_import_set(bucket, key.ptr, key.len, value.ptr, value.len, &result);
    kv_import_drop(bucket);
    return !result.is_error || failed(&result.as.error);
}

bool plugbus_host_kv_delete(plugbus_str name, plugbus_str key) {
    uint32_t bucket;
    kv_result result;
    if (!open_bucket(name, &bucket)) return false;
    kv_import_delete(bucket, key.ptr, key.len, &result);
    kv_import_drop(bucket);
    return !result.is_error || failed(&result.as.error);
}

bool plugbus_host_kv_increment(plugbus_str name, plugbus_str key, uint64_t delta, uint64_t *sum) {
    uint32_t bucket;
    kv_sum result;
    if (!open_bucket(name, &bucket)) return false;
    kv_import_increment(bucket, key.ptr, key.len, delta, &result);
    kv_import_drop(bucket);
    if (result.is_error) return failed(&result.as.error);
    *sum = result.as.sum;
    return true;
}

bool plugbus_host_kv_keys(plugbus_str name, const plugbus_str **keys, size_t *keys_len) {
    uint32_t bucket, has_cursor = 0;
    uint64_t cursor = 0;
    plugbus_str *all = NULL;
    size_t len = 0;
    if (!open_bucket(name, &bucket)) return false;
    do {
        kv_page result;
        kv_import_list_keys(bucket, has_cursor, cursor, &result);
        if (result.is_error) {
            kv_import_drop(bucket);
            return failed(&result.as.error);
        }
        size_t more = result.as.page.keys_len;
        plugbus_str *joined = plugbus_alloc((len + more + 1) * sizeof *joined);
        if (len) memcpy(joined, all, len * sizeof *joined);
        for (size_t i = 0; i < more; i++) joined[len + i] = take(result.as.page.keys[i]);
        if (more) free(result.as.page.keys);
        all = joined;
        len += more;
        has_cursor = result.as.page.has_cursor;
        cursor = result.as.page.cursor;
    } while (has_cursor);
    kv_import_drop(bucket);
    *keys = all;
    *keys_len = len;
    return true;
}
