/* The seam to the host: the sandbox's imports in a component (host_wasm.c, kv_wasm.c, http_wasm.c), a recorder in a test (test). */
#ifndef PLUGBUS_HOST_H
#define PLUGBUS_HOST_H

#include "plugbus.h"
#include "plugbus_http.h"

/* All text is valid UTF-8. `answer` becomes the id, or the host's words; it is in call memory. */
plugbus_status plugbus_host_publish(plugbus_str topic, plugbus_str content_type, plugbus_str data,
                                    const plugbus_extension *extensions, size_t extensions_len, plugbus_str *answer);
void plugbus_host_log(plugbus_level level, plugbus_str message);

/* The store, see plugbus_kv.h. Names are valid UTF-8; what is given is in call memory. False with the reason in plugbus_error. */
bool plugbus_host_kv_get(plugbus_str bucket, plugbus_str key, plugbus_str *value);
bool plugbus_host_kv_set(plugbus_str bucket, plugbus_str key, plugbus_str value);
bool plugbus_host_kv_delete(plugbus_str bucket, plugbus_str key);
bool plugbus_host_kv_increment(plugbus_str bucket, plugbus_str key, uint64_t delta, uint64_t *sum);
bool plugbus_host_kv_keys(plugbus_str bucket, const plugbus_str **keys, size_t *keys_len);

/* A request as it goes out: checked, with every default in its place. Texts are borrowed for the call, the path in call memory. */
typedef struct plugbus_host_http {
    const char *method;
    plugbus_str url;
    bool is_https;
    plugbus_str authority;
    plugbus_str path; /* and query; begins with a slash */
    const plugbus_http_header *headers; /* names in lower case */
    size_t headers_len;
    plugbus_str body;
    uint32_t timeout_ms;
    size_t response_bytes_max;
} plugbus_host_http;

/* HTTP, see plugbus_http.h. The answer is in call memory; where there is none the reason is in plugbus_error. */
plugbus_http_code plugbus_host_http_send(const plugbus_host_http *request, plugbus_http_response *response);
/* The error of an origin that is not granted; why is the host's word for it. */
plugbus_http_code plugbus_http_denied(const plugbus_host_http *request, const char *why);

/* What both sides need of plugbus.c. */

/* A call begins: gives back the memory of the one before, and forgets its error. */
void plugbus_call_begin(void);
/* Keeps the configuration and calls plugbus_init. NULL, or why the plugin refuses. */
const char *plugbus_call_init(plugbus_str config);
/* The filters that plugbus_init asked for. */
const char *const *plugbus_filters(size_t *count);
/* Sets the text of plugbus_error. */
void plugbus_fail(const char *format, ...) PLUGBUS_PRINTF(1, 2);
/* A copy in call memory, with a NUL at its end. */
plugbus_str plugbus_copy(plugbus_str text);

#endif
