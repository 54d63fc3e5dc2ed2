/* The component's side of HTTP: wasi:http/outgoing-handler, with every wait bounded by one deadline. */
#include <stdlib.h>

#include "host.h"
#include "http_imports.h"
#include "utf8.h"

/* More than are ever held at one time. */
#define HELD_MAX 16
/* How much is read at one time. */
#define READ_MAX ((size_t)32 << 10)
#define NS_PER_MS 1000000u

/* One request and its answer, with the host's resources that it holds: an instance may have few of them open. They are given back in the
 * reverse order, children before parents. */
typedef struct exchange {
    const plugbus_host_http *request;
    uint32_t timer;
    struct {
        uint32_t handle;
        void (*drop)(uint32_t);
    } held[HELD_MAX];
    size_t held_len;
} exchange;

static uint32_t hold(exchange *e, uint32_t handle, void (*drop)(uint32_t)) {
    if (e->held_len == HELD_MAX) abort();
    e->held[e->held_len].handle = handle;
    e->held[e->held_len++].drop = drop;
    return handle;
}

/* Hands the one that was held last over to the host: it is no longer ours to drop. */
static uint32_t give(exchange *e) { return e->held[--e->held_len].handle; }

static void drop(exchange *e) {
    e->held_len--;
    e->held[e->held_len].drop(e->held[e->held_len].handle);
}

/* What the host gave: a copy in call memory. */
static plugbus_str take(plugbus_str text) {
    plugbus_str made = plugbus_copy(text);
    if (text.len) free((char *)text.ptr);
    return made;
}

static plugbus_http_code broken(const char *why) {
    plugbus_fail("http: connection: %s", why);
    return PLUGBUS_HTTP_CONNECTION;
}

static plugbus_http_code invalid(const char *what, plugbus_str text) {
    plugbus_fail("http: the host refuses the %s `" PLUGBUS_FMT "`", what, PLUGBUS_ARG(text));
    return PLUGBUS_HTTP_INVALID;
}

static plugbus_http_code timed_out(const exchange *e) {
    plugbus_fail("http: timed-out: no answer within %u ms", e->request->timeout_ms);
    return PLUGBUS_HTTP_TIMED_OUT;
}

/* The cases of error-code: what they are called, what they mean here, and where a text lies in them. */
enum { NO_TEXT, AT_ONCE, AFTER_ONE, WHERE_SOME };
static const struct {
    const char *name;
    plugbus_http_code means;
    int text;
} cases[] = {
    {"DNS-timeout", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"DNS-error", PLUGBUS_HTTP_CONNECTION, AT_ONCE},
    {"destination-not-found", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"destination-unavailable", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"destination-IP-prohibited", PLUGBUS_HTTP_DENIED, NO_TEXT},
    {"destination-IP-unroutable", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"connection-refused", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"connection-terminated", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"connection-timeout", PLUGBUS_HTTP_TIMED_OUT, NO_TEXT},
    {"connection-read-timeout", PLUGBUS_HTTP_TIMED_OUT, NO_TEXT},
    {"connection-write-timeout", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"connection-limit-reached: more requests than http_requests_max under [limits] allows for an event", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"TLS-protocol-error", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"TLS-certificate-error", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"TLS-alert-received", PLUGBUS_HTTP_CONNECTION, AFTER_ONE},
    {"HTTP-request-denied", PLUGBUS_HTTP_DENIED, NO_TEXT},
    {"HTTP-request-length-required", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"HTTP-request-body-size", PLUGBUS_HTTP_INVALID, NO_TEXT},
    {"HTTP-request-method-invalid", PLUGBUS_HTTP_INVALID, NO_TEXT},
    {"HTTP-request-URI-invalid", PLUGBUS_HTTP_INVALID, NO_TEXT},
    {"HTTP-request-URI-too-long", PLUGBUS_HTTP_INVALID, NO_TEXT},
    {"HTTP-request-header-section-size", PLUGBUS_HTTP_INVALID, NO_TEXT},
    {"HTTP-request-header-size", PLUGBUS_HTTP_INVALID, WHERE_SOME},
    {"HTTP-request-trailer-section-size", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"HTTP-request-trailer-size", PLUGBUS_HTTP_CONNECTION, AT_ONCE},
    {"HTTP-response-incomplete", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"HTTP-response-header-section-size", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"HTTP-response-header-size", PLUGBUS_HTTP_CONNECTION, AT_ONCE},
    {"HTTP-response-body-size", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"HTTP-response-trailer-section-size", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"HTTP-response-trailer-size", PLUGBUS_HTTP_CONNECTION, AT_ONCE},
    {"HTTP-response-transfer-coding", PLUGBUS_HTTP_CONNECTION, AT_ONCE},
    {"HTTP-response-content-coding", PLUGBUS_HTTP_CONNECTION, AT_ONCE},
    {"HTTP-response-timeout", PLUGBUS_HTTP_TIMED_OUT, NO_TEXT},
    {"HTTP-upgrade-failed", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"HTTP-protocol-error", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"loop-detected", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"configuration-error", PLUGBUS_HTTP_CONNECTION, NO_TEXT},
    {"internal-error", PLUGBUS_HTTP_CONNECTION, AT_ONCE},
};

/* The text that belongs to an error code; NULL where there is none. */
static const http_text *text_of(const http_error_code *code) {
    switch (cases[code->kind].text) {
    case AT_ONCE: return &code->as.text;
    case AFTER_ONE: return &code->as.later.text;
    case WHERE_SOME: return code->as.later.first[0] ? &code->as.later.text : NULL;
    default: return NULL;
    }
}

/* What an error code means; takes what belongs to it. */
static plugbus_http_code fault(const exchange *e, const http_error_code *code) {
    if (code->kind >= sizeof cases / sizeof *cases) return broken("an error that is not in wasi:http 0.2");
    const char *name = cases[code->kind].name;
    plugbus_str detail = plugbus_str_of("");
    const http_text *text = text_of(code);
    if (text && text->is_some) detail = take(text->text);
    switch (cases[code->kind].means) {
    case PLUGBUS_HTTP_DENIED: return plugbus_http_denied(e->request, name);
    case PLUGBUS_HTTP_TIMED_OUT: return timed_out(e);
    default: break;
    }
    plugbus_http_code means = cases[code->kind].means;
    plugbus_fail("http: %s: %s%s" PLUGBUS_FMT, plugbus_http_code_name(means), name, detail.len ? ": " : "", PLUGBUS_ARG(detail));
    return means;
}

/* What an error of a stream means; gives the error back. */
static plugbus_http_code stream_fault(const exchange *e, const http_stream_error *error) {
    if (error->is_end) return broken("the connection was closed early");
    http_maybe_code code;
    http_code_of(error->error, &code);
    plugbus_http_code means;
    if (code.is_some) {
        means = fault(e, &code.code);
    } else {
        plugbus_str text;
        http_debug_string(error->error, &text);
        text = take(text);
        /* A host may put a whole report there; its first line is for people. */
        ((char *)text.ptr)[strcspn(text.ptr, "\n")] = 0;
        means = broken(text.ptr);
    }
    http_drop_error(error->error);
    return means;
}

/* Waits for a pollable until the time is up, and gives it back. */
static bool is_in_time(exchange *e, uint32_t pollable) {
    uint32_t both[2] = {pollable, e->timer};
    http_ready ready;
    http_poll(both, 2, &ready);
    /* The first counts even when the time is up as well: then both are in the list, in an order that is the host's. */
    bool in_time = false;
    for (size_t i = 0; i < ready.len; i++) in_time = in_time || ready.which[i] == 0;
    if (ready.len) free(ready.which);
    http_drop_pollable(pollable);
    return in_time;
}

static plugbus_http_code set_method(uint32_t request, const char *method) {
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    uint32_t which = 0, count = sizeof known / sizeof *known;
    while (which < count && strcmp(known[which], method) != 0) which++;
    /* The one after the last has its name with it. */
    if (http_set_method(request, which, method, which == count ? strlen(method) : 0) == 0) return PLUGBUS_HTTP_OK;
    return invalid("method", plugbus_str_of(method));
}

/* Makes the request, and holds it. */
static plugbus_http_code make_request(exchange *e, uint32_t *made) {
    const plugbus_host_http *from = e->request;
    uint32_t fields = hold(e, http_fields(), http_drop_fields);
    for (size_t i = 0; i < from->headers_len; i++) {
        const plugbus_http_header *header = &from->headers[i];
        uint8_t result[2];
        http_append(fields, header->name.ptr, header->name.len, header->value.ptr, header->value.len, result);
        if (result[0]) return invalid("header", header->name);
    }
    uint32_t request = hold(e, http_request(give(e)), http_drop_request);
    plugbus_http_code code = set_method(request, from->method);
    if (code != PLUGBUS_HTTP_OK) return code;
    if (http_set_scheme(request, 1, from->is_https, "", 0)) return invalid("scheme of", from->url);
    if (http_set_authority(request, 1, from->authority.ptr, from->authority.len)) return invalid("authority", from->authority);
    if (http_set_path(request, 1, from->path.ptr, from->path.len)) return invalid("path", from->path);
    *made = request;
    return PLUGBUS_HTTP_OK;
}

static plugbus_http_code write_all(exchange *e, uint32_t stream) {
    const char *at = e->request->body.ptr, *end = at + e->request->body.len;
    http_written written;
    while (at < end) {
        http_room room;
        if (!is_in_time(e, http_subscribe_output(stream))) return timed_out(e);
        http_check_write(stream, &room);
        if (room.is_error) return stream_fault(e, &room.as.error);
        size_t len = (size_t)(end - at);
        if (room.as.bytes < len) len = (size_t)room.as.bytes;
        http_write(stream, at, len, &written);
        if (written.is_error) return stream_fault(e, &written.error);
        at += len;
    }
    http_flush(stream, &written);
    if (written.is_error) return stream_fault(e, &written.error);
    return is_in_time(e, http_subscribe_output(stream)) ? PLUGBUS_HTTP_OK : timed_out(e);
}

/* Sends the body, which was held last, and finishes it. */
static plugbus_http_code write_body(exchange *e, uint32_t body) {
    http_opened stream;
    http_body_write(body, &stream);
    if (stream.is_error) return broken("the body was taken before");
    plugbus_http_code code = write_all(e, hold(e, stream.handle, http_drop_output));
    if (code != PLUGBUS_HTTP_OK) return code;
    drop(e);
    http_result finished;
    http_finish(give(e), 0, 0, &finished);
    return finished.is_error ? fault(e, &finished.as.code) : PLUGBUS_HTTP_OK;
}

/* Sends the request whole, and gives the future of its answer. */
static plugbus_http_code send(exchange *e, uint32_t *future) {
    uint32_t request;
    plugbus_http_code code = make_request(e, &request);
    if (code != PLUGBUS_HTTP_OK) return code;
    http_opened body;
    http_request_body(request, &body);
    if (body.is_error) return broken("the request has no body");
    http_result result;
    /* No options: the timer bounds every wait, and what is dropped the host gives up. */
    http_handle(give(e), 0, 0, &result);
    if (result.is_error) {
        http_drop_outgoing_body(body.handle);
        return fault(e, &result.as.code);
    }
    *future = hold(e, result.as.handle, http_drop_future);
    /* After `handle`: a host may read the body only once it has a connection. Where it does not take all of it, the answer says why. */
    code = write_body(e, hold(e, body.handle, http_drop_outgoing_body));
    return code == PLUGBUS_HTTP_TIMED_OUT ? code : PLUGBUS_HTTP_OK;
}

static void read_headers(exchange *e, uint32_t from, plugbus_http_response *response) {
    http_entries entries;
    http_entries_of(hold(e, http_headers(from), http_drop_fields), &entries);
    plugbus_http_header *headers = plugbus_alloc((entries.len + 1) * sizeof *headers);
    for (size_t i = 0; i < entries.len; i++) {
        headers[i].name = take(entries.all[i].name);
        headers[i].value = plugbus_utf8_clean(take(entries.all[i].value));
        for (char *c = (char *)headers[i].name.ptr; *c; c++) {
            if (*c >= 'A' && *c <= 'Z') *c += 'a' - 'A';
        }
    }
    if (entries.len) free(entries.all);
    response->headers = headers;
    response->headers_len = entries.len;
    drop(e);
}

/* Makes room for so many bytes more in call memory. */
static char *grown(char *data, size_t used, size_t *room, size_t more) {
    if (used + more <= *room) return data;
    *room = (used + more) * 2;
    char *made = plugbus_alloc(*room);
    if (used) memcpy(made, data, used);
    return made;
}

/* Reads as much as is wanted; whether that is all. One byte more is asked for, to know whether there is more. */
static bool read_body(exchange *e, uint32_t from, plugbus_http_response *response) {
    http_opened opened;
    http_consume(from, &opened);
    if (opened.is_error) return false;
    http_body_stream(hold(e, opened.handle, http_drop_incoming_body), &opened);
    if (opened.is_error) return false;
    uint32_t stream = hold(e, opened.handle, http_drop_input);
    char *data = NULL;
    size_t room = 0, most = e->request->response_bytes_max;
    for (;;) {
        if (!is_in_time(e, http_subscribe_input(stream))) return false;
        size_t left = most - response->body.len;
        http_chunk chunk;
        http_read(stream, (uint64_t)(left < READ_MAX ? left : READ_MAX) + 1, &chunk);
        if (chunk.is_error) {
            if (!chunk.as.error.is_end) http_drop_error(chunk.as.error.error);
            return chunk.as.error.is_end;
        }
        plugbus_str got = chunk.as.bytes;
        bool is_more = got.len > left;
        size_t len = is_more ? left : got.len;
        data = grown(data, response->body.len, &room, len);
        if (len) memcpy(data + response->body.len, got.ptr, len);
        if (got.len) free((char *)got.ptr);
        response->body.ptr = data;
        response->body.len += len;
        if (is_more) return false;
    }
}

static plugbus_http_code run(exchange *e, plugbus_http_response *response) {
    e->timer = hold(e, http_subscribe_duration((uint64_t)e->request->timeout_ms * NS_PER_MS), http_drop_pollable);
    uint32_t future;
    plugbus_http_code code = send(e, &future);
    if (code != PLUGBUS_HTTP_OK) return code;
    if (!is_in_time(e, http_subscribe_future(future))) return timed_out(e);
    http_answer answer;
    http_get(future, &answer);
    if (!answer.is_some || answer.is_taken) return broken("the answer is not there");
    if (answer.response.is_error) return fault(e, &answer.response.as.code);
    uint32_t from = hold(e, answer.response.as.handle, http_drop_response);
    response->status = (int)http_status(from);
    read_headers(e, from, response);
    response->is_cut = !read_body(e, from, response);
    return PLUGBUS_HTTP_OK;
}

plugbus_http_code plugbus_host_http_send(const plugbus_host_http *request, plugbus_http_response *response) {
    exchange e = {.request = request};
    plugbus_http_code code = run(&e, response);
    while (e.held_len > 0) drop(&e);
    return code;
}
