/* A request is checked here and filled up with what is due; the host's side gets it whole. */
#include "plugbus_http.h"

#include "host.h"
#include "utf8.h"

/* How many bytes of a text a message repeats. */
#define SHOWN_MAX 200

static plugbus_str shown(plugbus_str text) {
    if (text.len > SHOWN_MAX) text.len = SHOWN_MAX;
    return plugbus_utf8_clean(text);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static plugbus_str lowered(plugbus_str text) {
    char *made = plugbus_alloc(text.len + 1);
    for (size_t i = 0; i < text.len; i++) made[i] = lower(text.ptr[i]);
    made[text.len] = 0;
    plugbus_str view = {made, text.len};
    return view;
}

/* A token of RFC 9110. */
static bool is_token(plugbus_str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool known = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
        if (!known) return false;
    }
    return text.len > 0;
}

static bool begins_with(plugbus_str text, const char *start) {
    size_t len = strlen(start);
    if (text.len < len) return false;
    for (size_t i = 0; i < len; i++) {
        if (lower(text.ptr[i]) != start[i]) return false;
    }
    return true;
}

static bool bad_url(plugbus_str url, const char *problem) {
    plugbus_str view = shown(url);
    plugbus_fail("http: URL `" PLUGBUS_FMT "` %s", PLUGBUS_ARG(view), problem);
    return false;
}

/* As much of a URL as a request needs. What it means is for the host to decide. */
static bool split(plugbus_str url, plugbus_host_http *target) {
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.ptr[i];
        if (c <= ' ' || c >= 0x7f) return bad_url(url, "has a character that is to be percent-encoded");
    }
    target->is_https = begins_with(url, "https://");
    if (!target->is_https && !begins_with(url, "http://")) return bad_url(url, "must begin with http:// or https://");
    size_t at = target->is_https ? strlen("https://") : strlen("http://"), start = at;
    while (at < url.len && !strchr("/?#", url.ptr[at])) at++;
    plugbus_str authority = {url.ptr + start, at - start};
    start = at;
    while (at < url.len && url.ptr[at] != '#') at++;
    plugbus_str path = {url.ptr + start, at - start};
    if (authority.len == 0 || authority.ptr[0] == ':') return bad_url(url, "has no host");
    if (memchr(authority.ptr, '@', authority.len)) return bad_url(url, "has a user name or password; use an `authorization` header");
    bool is_rooted = path.len && path.ptr[0] == '/';
    target->authority = authority;
    target->path = plugbus_printf("%s" PLUGBUS_FMT, is_rooted ? "" : "/", PLUGBUS_ARG(path));
    return true;
}

bool plugbus_http_url_is_valid(plugbus_str url) {
    plugbus_host_http target;
    return split(url, &target);
}

static bool header_is_valid(plugbus_http_header header) {
    plugbus_str name = shown(header.name);
    if (!is_token(header.name)) {
        plugbus_fail("http: `" PLUGBUS_FMT "` is not the name of a header", PLUGBUS_ARG(name));
        return false;
    }
    for (size_t i = 0; i < header.value.len; i++) {
        unsigned char c = (unsigned char)header.value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            plugbus_fail("http: header `" PLUGBUS_FMT "` has a control character in its value", PLUGBUS_ARG(name));
            return false;
        }
    }
    return true;
}

/* The headers with names in lower case, and content-length where it is due. */
static bool fill_headers(const plugbus_http_request *request, plugbus_host_http *target) {
    plugbus_http_header *headers = plugbus_alloc((request->headers_len + 1) * sizeof *headers);
    bool has_length = false;
    for (size_t i = 0; i < request->headers_len; i++) {
        if (!header_is_valid(request->headers[i])) return false;
        headers[i].name = lowered(request->headers[i].name);
        headers[i].value = request->headers[i].value;
        has_length = has_length || plugbus_str_is(headers[i].name, "content-length");
    }
    target->headers = headers;
    target->headers_len = request->headers_len;
    bool takes_body = strcmp(target->method, "POST") == 0 || strcmp(target->method, "PUT") == 0 || strcmp(target->method, "PATCH") == 0;
    if (!has_length && (request->body.len || takes_body)) {
        headers[target->headers_len].name = plugbus_str_of("content-length");
        headers[target->headers_len++].value = plugbus_printf("%zu", request->body.len);
    }
    return true;
}

plugbus_http_code plugbus_http_send(const plugbus_http_request *request, plugbus_http_response *response) {
    memset(response, 0, sizeof *response);
    plugbus_host_http target;
    target.url = request->url;
    target.method = request->method ? request->method : "GET";
    if (!is_token(plugbus_str_of(target.method))) {
        plugbus_str method = shown(plugbus_str_of(target.method));
        plugbus_fail("http: `" PLUGBUS_FMT "` is not a method", PLUGBUS_ARG(method));
        return PLUGBUS_HTTP_INVALID;
    }
    if (!split(request->url, &target) || !fill_headers(request, &target)) return PLUGBUS_HTTP_INVALID;
    target.body = request->body;
    target.timeout_ms = request->timeout_ms ? request->timeout_ms : PLUGBUS_HTTP_TIMEOUT_MS;
    target.response_bytes_max = request->response_bytes_max ? request->response_bytes_max : PLUGBUS_HTTP_RESPONSE_BYTES_MAX;
    if (request->response_bytes_max == PLUGBUS_HTTP_NO_BODY) target.response_bytes_max = 0;
    return plugbus_host_http_send(&target, response);
}

plugbus_result plugbus_http_failed(plugbus_http_code code) {
    bool is_transient = code == PLUGBUS_HTTP_TIMED_OUT || code == PLUGBUS_HTTP_CONNECTION;
    return is_transient ? plugbus_retry_error() : plugbus_reject_error();
}

const char *plugbus_http_code_name(plugbus_http_code code) {
    static const char *const names[] = {"ok", "invalid", "denied", "timed-out", "connection"};
    return (size_t)code < sizeof names / sizeof *names ? names[code] : "unknown";
}

plugbus_str plugbus_http_response_header(const plugbus_http_response *response, const char *name) {
    for (size_t i = 0; i < response->headers_len; i++) {
        if (plugbus_str_is(response->headers[i].name, name)) return response->headers[i].value;
    }
    plugbus_str none = {NULL, 0};
    return none;
}

plugbus_http_code plugbus_http_denied(const plugbus_host_http *request, const char *why) {
    const char *scheme = request->is_https ? "https" : "http";
    plugbus_fail("http: denied: %s: the manifest does not let the plugin send this to %s://" PLUGBUS_FMT ": [grants] http = [\"%s://" PLUGBUS_FMT
                 "\"]; a secret goes to its origins only",
                 why, scheme, PLUGBUS_ARG(request->authority), scheme, PLUGBUS_ARG(request->authority));
    return PLUGBUS_HTTP_DENIED;
}
