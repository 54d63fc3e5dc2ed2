/* A plugin's store: keys and values that outlast instances, reloads and, where the host keeps a journal, restarts. The manifest grants
 * it, with `kv = true` under [grants]; a plugin that calls none of these functions needs no grant.
 *
 * What a handler writes is committed when it acks, together with what it published, or not at all. So this counts each event once,
 * whatever is repeated and whoever crashes, at any number of instances:
 *
 *     uint64_t seen;
 *     if (!plugbus_kv_increment("counts", event->topic, 1, &seen)) return plugbus_retry_error();
 *
 * A bucket is named by 1 to 64 bytes without control characters and is there from the beginning; "" stands for "default". Bounds,
 * each a key under [limits] of the manifest: a key has 1 to 256 bytes, a value at most 64 KiB, the whole store at most 16 MiB. In
 * plugbus_init there is nothing to commit with: everything is refused.
 *
 * Each function returns false where the store refuses, with a text in plugbus_error; nothing was changed then. plugbus_retry_error is
 * the usual answer: others may have made room by the time that the event comes again. */
#ifndef PLUGBUS_KV_H
#define PLUGBUS_KV_H

#include "plugbus.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The value of a key; ptr is NULL where there is none. It lives until the handler has returned. */
bool plugbus_kv_get(const char *bucket, plugbus_str key, plugbus_str *value);
/* Gives a key a value; any bytes may be one. */
bool plugbus_kv_set(const char *bucket, plugbus_str key, plugbus_str value);
/* Takes a key away, there or not. */
bool plugbus_kv_delete(const char *bucket, plugbus_str key);
/* Adds to a number, which is kept as decimal text; a key that is not there counts as zero. */
bool plugbus_kv_increment(const char *bucket, plugbus_str key, uint64_t delta, uint64_t *sum);
/* All keys of a bucket, in their order. They live until the handler has returned. */
bool plugbus_kv_keys(const char *bucket, const plugbus_str **keys, size_t *keys_len);

#ifdef __cplusplus
}
#endif

#endif
