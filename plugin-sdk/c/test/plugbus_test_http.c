/* HTTP of a plugin under test: a function is the server, and origins must be granted, as on a host. */
#include "host.h"
#include "plugbus_test.h"
#include "plugbus_test_parts.h"

/* As on a host by default: http_requests_max. */
#define REQUESTS_MAX 32
#define ORIGINS_MAX 64

static plugbus_str origins[ORIGINS_MAX];
static size_t origins_count, requests_count, of_this_event;
static plugbus_http_request *requests;
static plugbus_test_server answers;

void plugbus_test_http_clear(void) {
    origins_count = requests_count = of_this_event = 0;
    requests = NULL;
    answers = NULL;
}

void plugbus_test_http_begin(void) { of_this_event = 0; }

void plugbus_test_grant_http(const char *origin) {
    if (origins_count == ORIGINS_MAX) abort();
    origins[origins_count++] = plugbus_test_keep(plugbus_str_of(origin));
}

void plugbus_test_serve(plugbus_test_server server) { answers = server; }

size_t plugbus_test_requests_count(void) { return requests_count; }

const plugbus_http_request *plugbus_test_request(size_t index) {
    if (index >= requests_count) abort();
    return &requests[index];
}

/* Whether text ends so, and how long it is without. */
static bool without(plugbus_str *text, const char *end) {
    size_t len = strlen(end);
    bool found = text->len > len && memcmp(text->ptr + text->len - len, end, len) == 0;
    if (found) text->len -= len;
    return found;
}

/* As a manifest names it: in lower case, the port only where it is not the scheme's own. */
static bool is_granted(const plugbus_host_http *request) {
    plugbus_str authority = request->authority;
    without(&authority, request->is_https ? ":443" : ":80");
    plugbus_str origin = plugbus_printf("%s://" PLUGBUS_FMT, request->is_https ? "https" : "http", PLUGBUS_ARG(authority));
    for (char *c = (char *)origin.ptr; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') *c += 'a' - 'A';
    }
    for (size_t i = 0; i < origins_count; i++) {
        if (plugbus_str_is(origin, origins[i].ptr)) return true;
    }
    return false;
}

static const plugbus_http_request *record(const plugbus_host_http *from) {
    plugbus_http_header *headers = malloc((from->headers_len + 1) * sizeof *headers);
    requests = realloc(requests, (requests_count + 1) * sizeof *requests);
    if (!headers || !requests) abort();
    for (size_t i = 0; i < from->headers_len; i++) {
        headers[i].name = plugbus_test_keep(from->headers[i].name);
        headers[i].value = plugbus_test_keep(from->headers[i].value);
    }
    plugbus_http_request made = {
        .method = plugbus_test_keep(plugbus_str_of(from->method)).ptr,
        .url = plugbus_test_keep(from->url),
        .headers = headers,
        .headers_len = from->headers_len,
        .body = plugbus_test_keep(from->body),
        .timeout_ms = from->timeout_ms,
        .response_bytes_max = from->response_bytes_max,
    };
    requests[requests_count] = made;
    return &requests[requests_count++];
}

plugbus_http_code plugbus_host_http_send(const plugbus_host_http *request, plugbus_http_response *response) {
    if (!is_granted(request)) return plugbus_http_denied(request, "HTTP-request-denied");
    if (of_this_event++ == REQUESTS_MAX) {
        plugbus_fail("http: connection: connection-limit-reached: an event may send %d requests", REQUESTS_MAX);
        return PLUGBUS_HTTP_CONNECTION;
    }
    const plugbus_http_request *sent = record(request);
    plugbus_http_code code = answers ? answers(sent, response) : PLUGBUS_HTTP_CONNECTION;
    if (code != PLUGBUS_HTTP_OK) {
        memset(response, 0, sizeof *response);
        plugbus_fail("http: %s: %s", plugbus_http_code_name(code), answers ? "so says the server of the test" : "the test has no server");
        return code;
    }
    if (response->body.len > request->response_bytes_max) {
        response->body.len = request->response_bytes_max;
        response->is_cut = true;
    }
    return PLUGBUS_HTTP_OK;
}
