/* A small client for HTTP. The manifest grants the origins that a plugin may reach; a plugin that calls none of these functions needs no
 * grant:
 *
 *     [grants]
 *     http = ["https://api.example.com"]
 *
 * A request waits for its answer, and holds up this plugin and nothing else in the host:
 *
 *     plugbus_http_request request = {.method = "POST", .url = url, .body = event->data};
 *     plugbus_http_response answer;
 *     plugbus_http_code code = plugbus_http_send(&request, &answer);
 *     if (code != PLUGBUS_HTTP_OK) return plugbus_http_failed(code);
 *     if (answer.status >= 500) return plugbus_retry(PLUGBUS_BACKOFF, "status %d", answer.status);
 *
 * Any status is an answer; redirections are not followed. Bounds: 4 s for the whole exchange, which is below the 5 s that a handler has
 * (deadline_ms under [limits]), 64 KiB of the answer's body, 32 requests for an event (http_requests_max under [limits]). A placeholder
 * of a secret may stand in the value of a header, in the path and in the query; the host puts the secret there. */
#ifndef PLUGBUS_HTTP_H
#define PLUGBUS_HTTP_H

#include "plugbus.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a field of plugbus_http_request that is 0 stands for. */
#define PLUGBUS_HTTP_TIMEOUT_MS 4000u
#define PLUGBUS_HTTP_RESPONSE_BYTES_MAX ((size_t)64 << 10)
/* For response_bytes_max: nothing of the body is wanted. */
#define PLUGBUS_HTTP_NO_BODY SIZE_MAX

typedef struct plugbus_http_header {
    plugbus_str name;
    plugbus_str value;
} plugbus_http_header;

/* What to send. Only the URL must be set. */
typedef struct plugbus_http_request {
    const char *method; /* In capitals; NULL is GET. */
    plugbus_str url;    /* Begins with http:// or https://; what is not ASCII in it is percent-encoded. */
    const plugbus_http_header *headers; /* content-length is added where it is not there and due. */
    size_t headers_len;
    plugbus_str body;
    uint32_t timeout_ms;       /* For the whole exchange, until the last byte that is wanted. */
    size_t response_bytes_max; /* How many bytes of the answer's body are read; what is longer is cut. */
} plugbus_http_request;

/* What a server answered. It lives until the handler has returned. */
typedef struct plugbus_http_response {
    int status; /* 100 to 599. */
    const plugbus_http_header *headers; /* Names in lower case; bytes that are no UTF-8 are U+FFFD. */
    size_t headers_len;
    plugbus_str body;
    bool is_cut; /* The body is not whole: it is longer than was wanted, or it broke off or the time was up while it was read. */
} plugbus_http_response;

typedef enum plugbus_http_code {
    PLUGBUS_HTTP_OK = 0,
    PLUGBUS_HTTP_INVALID,    /* The method, URL or a header is malformed. Nothing was sent. */
    PLUGBUS_HTTP_DENIED,     /* The manifest does not grant this origin. */
    PLUGBUS_HTTP_TIMED_OUT,  /* No answer within the time. */
    PLUGBUS_HTTP_CONNECTION, /* No connection, or one that broke; or more requests than an event may send. */
} plugbus_http_code;

/* Sends a request and waits for the answer. Where there is none plugbus_error says why, and `response` is empty. */
plugbus_http_code plugbus_http_send(const plugbus_http_request *request, plugbus_http_response *response);

/* What to return for that: a retry after PLUGBUS_HTTP_TIMED_OUT and PLUGBUS_HTTP_CONNECTION, else a rejection; with the text of plugbus_error. */
plugbus_result plugbus_http_failed(plugbus_http_code code);

/* The name of a code, as every SDK has it: invalid, denied, timed-out, connection; ok. */
const char *plugbus_http_code_name(plugbus_http_code code);

/* The value of the first header of that name, which is in lower case; ptr is NULL where there is none. */
plugbus_str plugbus_http_response_header(const plugbus_http_response *response, const char *name);

/* Whether a text is a URL that plugbus_http_send takes: to refuse a wrong one in plugbus_init, with the text of plugbus_error. */
bool plugbus_http_url_is_valid(plugbus_str url);

#ifdef __cplusplus
}
#endif

#endif
