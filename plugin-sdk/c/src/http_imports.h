/* What wasi:http, and what it needs beside it, look like in the canonical ABI. By hand and apart from the generated code, because what is
 * imported must be granted: the linker leaves out what a plugin does not call.
 *
 * A result that is more than a number lies where the last argument points: which case, then what belongs to it. A function whose result
 * has nothing in it gives 0 where it went well. */
#ifndef PLUGBUS_HTTP_IMPORTS_H
#define PLUGBUS_HTTP_IMPORTS_H

#include "plugbus.h"

/* An option of a text; in some cases of an error it is what belongs to it. */
typedef struct http_text {
    uint8_t is_some;
    plugbus_str text;
} http_text;

typedef struct http_error_code {
    uint8_t kind;
    union {
        http_text text;
        struct {
            uint8_t first[4]; /* an option of a byte, or whether there is what follows */
            http_text text;
        } later;
        uint64_t size[3];
    } as;
} http_error_code;

/* A resource, or an error that says nothing. */
typedef struct http_opened {
    uint8_t is_error;
    uint32_t handle;
} http_opened;

/* A resource or nothing, or why there is none. */
typedef struct http_result {
    uint8_t is_error;
    union {
        uint32_t handle;
        http_error_code code;
    } as;
} http_result;

/* What a future has: nothing yet, that it was taken before, or a response. */
typedef struct http_answer {
    uint8_t is_some;
    _Alignas(8) uint8_t is_taken;
    _Alignas(8) http_result response;
} http_answer;

typedef struct http_stream_error {
    uint8_t is_end; /* closed; else the operation failed, with an error */
    uint32_t error;
} http_stream_error;

typedef struct http_written {
    uint8_t is_error;
    http_stream_error error;
} http_written;

typedef struct http_room {
    uint8_t is_error;
    union {
        uint64_t bytes;
        http_stream_error error;
    } as;
} http_room;

typedef struct http_chunk {
    uint8_t is_error;
    union {
        plugbus_str bytes;
        http_stream_error error;
    } as;
} http_chunk;

typedef struct http_maybe_code {
    uint8_t is_some;
    http_error_code code;
} http_maybe_code;

typedef struct http_entry {
    plugbus_str name, value;
} http_entry;

typedef struct http_entries {
    http_entry *all;
    size_t len;
} http_entries;

typedef struct http_ready {
    uint32_t *which;
    size_t len;
} http_ready;

_Static_assert(sizeof(http_error_code) == 32 && sizeof(http_result) == 40 && sizeof(http_answer) == 56, "the layout of answers");
_Static_assert(sizeof(http_written) == 12 && sizeof(http_room) == 16 && sizeof(http_chunk) == 12, "the layout of streams");

#define FROM(interface, name) __attribute__((import_module("wasi:" interface "@0.2.10"), import_name(name)))

FROM("http/types", "[constructor]fields") uint32_t http_fields(void);
FROM("http/types", "[method]fields.append")
void http_append(uint32_t fields, const char *name, size_t name_len, const char *value, size_t value_len, uint8_t result[2]);
FROM("http/types", "[method]fields.entries") void http_entries_of(uint32_t fields, http_entries *entries);
FROM("http/types", "[resource-drop]fields") void http_drop_fields(uint32_t fields);
FROM("http/types", "[constructor]outgoing-request") uint32_t http_request(uint32_t fields);
FROM("http/types", "[method]outgoing-request.set-method")
uint32_t http_set_method(uint32_t request, uint32_t method, const char *other, size_t other_len);
FROM("http/types", "[method]outgoing-request.set-scheme")
uint32_t http_set_scheme(uint32_t request, uint32_t is_some, uint32_t scheme, const char *other, size_t other_len);
FROM("http/types", "[method]outgoing-request.set-authority")
uint32_t http_set_authority(uint32_t request, uint32_t is_some, const char *authority, size_t authority_len);
FROM("http/types", "[method]outgoing-request.set-path-with-query")
uint32_t http_set_path(uint32_t request, uint32_t is_some, const char *path, size_t path_len);
FROM("http/types", "[method]outgoing-request.body") void http_request_body(uint32_t request, http_opened *body);
FROM("http/types", "[resource-drop]outgoing-request") void http_drop_request(uint32_t request);
FROM("http/types", "[method]outgoing-body.write") void http_body_write(uint32_t body, http_opened *stream);
FROM("http/types", "[static]outgoing-body.finish")
void http_finish(uint32_t body, uint32_t is_some, uint32_t trailers, http_result *result);
FROM("http/types", "[resource-drop]outgoing-body") void http_drop_outgoing_body(uint32_t body);
FROM("http/outgoing-handler", "handle") void http_handle(uint32_t request, uint32_t is_some, uint32_t options, http_result *future);
FROM("http/types", "[method]future-incoming-response.subscribe") uint32_t http_subscribe_future(uint32_t future);
FROM("http/types", "[method]future-incoming-response.get") void http_get(uint32_t future, http_answer *answer);
FROM("http/types", "[resource-drop]future-incoming-response") void http_drop_future(uint32_t future);
FROM("http/types", "[method]incoming-response.status") uint32_t http_status(uint32_t response);
FROM("http/types", "[method]incoming-response.headers") uint32_t http_headers(uint32_t response);
FROM("http/types", "[method]incoming-response.consume") void http_consume(uint32_t response, http_opened *body);
FROM("http/types", "[resource-drop]incoming-response") void http_drop_response(uint32_t response);
FROM("http/types", "[method]incoming-body.stream") void http_body_stream(uint32_t body, http_opened *stream);
FROM("http/types", "[resource-drop]incoming-body") void http_drop_incoming_body(uint32_t body);
FROM("http/types", "http-error-code") void http_code_of(uint32_t error, http_maybe_code *code);
FROM("io/streams", "[method]input-stream.read") void http_read(uint32_t stream, uint64_t len, http_chunk *chunk);
FROM("io/streams", "[method]input-stream.subscribe") uint32_t http_subscribe_input(uint32_t stream);
FROM("io/streams", "[resource-drop]input-stream") void http_drop_input(uint32_t stream);
FROM("io/streams", "[method]output-stream.check-write") void http_check_write(uint32_t stream, http_room *room);
FROM("io/streams", "[method]output-stream.write") void http_write(uint32_t stream, const char *data, size_t len, http_written *written);
FROM("io/streams", "[method]output-stream.flush") void http_flush(uint32_t stream, http_written *written);
FROM("io/streams", "[method]output-stream.subscribe") uint32_t http_subscribe_output(uint32_t stream);
FROM("io/streams", "[resource-drop]output-stream") void http_drop_output(uint32_t stream);
FROM("io/error", "[method]error.to-debug-string") void http_debug_string(uint32_t error, plugbus_str *text);
FROM("io/error", "[resource-drop]error") void http_drop_error(uint32_t error);
FROM("io/poll", "poll") void http_poll(const uint32_t *pollables, size_t len, http_ready *ready);
FROM("io/poll", "[resource-drop]pollable") void http_drop_pollable(uint32_t pollable);
FROM("clocks/monotonic-clock", "subscribe-duration") uint32_t http_subscribe_duration(uint64_t ns);

#endif
