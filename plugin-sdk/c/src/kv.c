#include "plugbus_kv.h"

#include "host.h"
#include "utf8.h"

/* What could not cross the border. */
static bool fits(plugbus_str bucket, plugbus_str key) {
    if (plugbus_utf8_is_valid(bucket) && plugbus_utf8_is_valid(key)) return true;
    plugbus_fail("the store refused: the name of a bucket or key is no UTF-8");
    return false;
}

bool plugbus_kv_get(const char *bucket, plugbus_str key, plugbus_str *value) {
    plugbus_str name = plugbus_str_of(bucket);
    return fits(name, key) && plugbus_host_kv_get(name, key, value);
}

bool plugbus_kv_set(const char *bucket, plugbus_str key, plugbus_str value) {
    plugbus_str name = plugbus_str_of(bucket);
    return fits(name, key) && plugbus_host_kv_set(name, key, value);
}

bool plugbus_kv_delete(const char *bucket, plugbus_str key) {
    plugbus_str name = plugbus_str_of(bucket);
    return fits(name, key) && plugbus_host_kv_delete(name, key);
}

bool plugbus_kv_increment(const char *bucket, plugbus_str key, uint64_t delta, uint64_t *sum) {
    plugbus_str name = plugbus_str_of(bucket);
    return fits(name, key) && plugbus_host_kv_increment(name, key, delta, sum);
}

bool plugbus_kv_keys(const char *bucket, const plugbus_str **keys, size_t *keys_len) {
    plugbus_str name = plugbus_str_of(bucket);
    return fits(name, name) && plugbus_host_kv_keys(name, keys, keys_len);
}
