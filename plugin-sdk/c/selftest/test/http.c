/* HTTP: what goes out, what comes back, and what becomes of an event without an answer. The plugin of this folder answers to http.* so. */
#include <plugbus_http.h>
#include <plugbus_test.h>

#define URL "https://api.example/v1?q#part"

static plugbus_http_code serve(const plugbus_http_request *request, plugbus_http_response *response) {
    static const plugbus_http_header kind = {{"content-type", 12}, {"a/b", 3}};
    if (strstr(request->url.ptr, "slow")) return PLUGBUS_HTTP_TIMED_OUT;
    response->status = 500;
    response->headers = &kind;
    response->headers_len = 1;
    response->body = plugbus_str_of("12345");
    return PLUGBUS_HTTP_OK;
}

static plugbus_result ask(const char *topic, const char *url, const char *data) {
    static const plugbus_extension of = {{"of", 2}, {"me", 2}};
    plugbus_event event = plugbus_test_event_of(topic, plugbus_str_of(data));
    event.subject = plugbus_str_of(url);
    event.extensions = &of;
    event.extensions_len = 1;
    return plugbus_test_send_event(event);
}

static bool says(plugbus_result result, plugbus_outcome outcome, const char *text) {
    if (result.outcome == outcome && strstr(result.text.ptr, text)) return true;
    fprintf(stderr, "outcome %d: %s\n", (int)result.outcome, result.text.ptr);
    return false;
}

static void what_is_malformed_is_not_sent(void) {
    static const char *const urls[][2] = {
        {"api.example", "must begin with http:// or https://"}, {"ftp://a", "must begin with http:// or https://"},
        {"https://", "has no host"},                            {"http:///path", "has no host"},
        {"http://:80/", "has no host"},                         {"https://me@a", "user name or password"},
        {"https://a/ b", "percent-encoded"},                    {"https://a/\xc3\xa4", "percent-encoded"},
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        PLUGBUS_CHECK(says(ask("http.get", urls[i][0], ""), PLUGBUS_REJECTED, urls[i][1]));
        PLUGBUS_CHECK(!plugbus_http_url_is_valid(plugbus_str_of(urls[i][0])));
    }
    PLUGBUS_CHECK(plugbus_http_url_is_valid(plugbus_str_of("HTTPS://a:8443?q")));

    plugbus_http_response answer;
    plugbus_http_request request = {.method = "GE T", .url = plugbus_str_of(URL)};
    PLUGBUS_CHECK(plugbus_http_send(&request, &answer) == PLUGBUS_HTTP_INVALID && strstr(plugbus_error(), "`GE T` is not a method"));
    plugbus_http_header name = {plugbus_str_of("a:b"), plugbus_str_of("")}, value = {plugbus_str_of("a"), plugbus_str_of("b\r\nc: d")};
    request.method = NULL;
    request.headers_len = 1;
    request.headers = &name;
    PLUGBUS_CHECK(plugbus_http_send(&request, &answer) == PLUGBUS_HTTP_INVALID && strstr(plugbus_error(), "`a:b` is not the name"));
    request.headers = &value;
    PLUGBUS_CHECK(plugbus_http_send(&request, &answer) == PLUGBUS_HTTP_INVALID && strstr(plugbus_error(), "control character"));
    PLUGBUS_CHECK(plugbus_test_requests_count() == 0);
}

int main(void) {
    PLUGBUS_CHECK(plugbus_test_start("{}") == NULL);
    what_is_malformed_is_not_sent();
    PLUGBUS_CHECK(says(ask("http.get", URL, ""), PLUGBUS_REJECTED, "[grants] http = [\"https://api.example\"]"));
    PLUGBUS_CHECK(plugbus_test_requests_count() == 0);
    plugbus_test_grant_http("https://api.example");
    PLUGBUS_CHECK(says(ask("http.get", URL, ""), PLUGBUS_RETRY, "the test has no server"));
    PLUGBUS_CHECK(says(ask("http.get", "http://api.example", ""), PLUGBUS_REJECTED, "denied"));

    plugbus_test_serve(serve);
    PLUGBUS_CHECK(says(ask("http.get", "HTTPS://API.example:443/", ""), PLUGBUS_REPLIED, "500 a/b 12345"));
    PLUGBUS_CHECK(says(ask("http.little", URL, ""), PLUGBUS_REPLIED, "500 a/b 123..."));
    PLUGBUS_CHECK(says(ask("http.get", URL "slow", ""), PLUGBUS_RETRY, "timed-out"));
    PLUGBUS_CHECK(says(ask("http.often", URL, ""), PLUGBUS_RETRY, "connection-limit-reached"));

    PLUGBUS_CHECK(says(ask("http.post", URL, "data"), PLUGBUS_REPLIED, "500"));
    const plugbus_http_request *last = plugbus_test_request(plugbus_test_requests_count() - 1);
    PLUGBUS_CHECK(strcmp(last->method, "POST") == 0 && plugbus_str_is(last->url, URL) && plugbus_str_is(last->body, "data"));
    PLUGBUS_CHECK(last->timeout_ms == PLUGBUS_HTTP_TIMEOUT_MS && last->response_bytes_max == PLUGBUS_HTTP_RESPONSE_BYTES_MAX);
    PLUGBUS_CHECK(last->headers_len == 2 && plugbus_str_is(last->headers[0].name, "x-of") && plugbus_str_is(last->headers[0].value, "me"));
    PLUGBUS_CHECK(plugbus_str_is(last->headers[1].name, "content-length") && plugbus_str_is(last->headers[1].value, "4"));
    return 0;
}
