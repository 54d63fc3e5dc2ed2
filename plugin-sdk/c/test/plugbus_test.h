/* Runs a plugin natively, without WebAssembly, and shows what it did. `python build.py DIR --test` builds and runs DIR/test/NAME.c:
 *
 *     #include <plugbus_test.h>
 *
 *     int main(void) {
 *         PLUGBUS_CHECK(plugbus_test_start("{\"greeting\":\"Welcome\"}") == NULL);
 *         PLUGBUS_CHECK(plugbus_test_send("chat.joined", "{\"name\":\"Ada\"}").outcome == PLUGBUS_REPLIED);
 *         PLUGBUS_CHECK(plugbus_test_published_count() == 1);
 *         PLUGBUS_CHECK(plugbus_str_is(plugbus_test_published(0)->data, "Welcome, Ada!"));
 *         return 0;
 *     }
 *
 * What a handler that fails has published and stored is thrown away; both are bounded as on a host. Two things are easier than on
 * a real host: topics are checked against the grants only, and fuel, time and memory are not bounded.
 */
#ifndef PLUGBUS_TEST_H
#define PLUGBUS_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "plugbus.h"
#include "plugbus_http.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Ends the test with 1 and says where, unless the condition holds. */
#define PLUGBUS_CHECK(condition)                                                                        \
    do {                                                                                                \
        if (!(condition)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                     \
            if (*plugbus_error()) fprintf(stderr, "  the last error: %s\n", plugbus_error());           \
            exit(1);                                                                                    \
        }                                                                                               \
    } while (0)

/* An event that left the sandbox. Good until plugbus_test_start. */
typedef struct plugbus_test_event {
    plugbus_str topic, content_type, data;
    const plugbus_extension *extensions;
    size_t extensions_len;
} plugbus_test_event;

typedef struct plugbus_test_line {
    plugbus_level level;
    plugbus_str message;
} plugbus_test_line;

/* Makes the instance anew, with nothing published and logged, every topic but `plugbus.` granted, 64 publishes and 1 MiB for an event.
 * Returns NULL, or why the plugin refuses its configuration. */
const char *plugbus_test_start(const char *config_json);

/* The manifest's `publish`: allows topics that a filter matches, and no others from now on; may be called several times. */
void plugbus_test_grant(const char *filter);
/* The manifest's `publishes_max` and `publish_bytes`. */
void plugbus_test_limit(size_t publishes_max, size_t publish_bytes);

/* Gives the plugin an event with this data, whatever its topic. The result is good until the next one. */
plugbus_result plugbus_test_send(const char *topic, const char *data);
/* The same with every attribute; `is_text` is found out. */
plugbus_result plugbus_test_send_event(plugbus_event event);
/* An event with an id, source and time, for that. */
plugbus_event plugbus_test_event_of(const char *topic, plugbus_str data);
/* A file's content, as the data of an event: JSON of a sample, say. Ends the test where it cannot be read. */
plugbus_str plugbus_test_file(const char *path);

/* Whether the plugin would be given events of this topic. */
bool plugbus_test_subscribes_to(const char *topic);

/* What handlers that acked have published, oldest first. */
size_t plugbus_test_published_count(void);
const plugbus_test_event *plugbus_test_published(size_t index);

/* The value of a key in the store, as handlers that acked have left it; ptr is NULL where there is none. plugbus_test_start empties it. */
plugbus_str plugbus_test_stored(const char *bucket, const char *key);

/* The manifest's `http`: lets the plugin send requests to an origin, "https://api.example.com"; may be called several times. None is
 * granted after plugbus_test_start. */
void plugbus_test_grant_http(const char *origin);
/* Who answers: a function that fills in status, headers and body (in plugbus_alloc's memory, or static), and returns PLUGBUS_HTTP_OK, or why
 * there is no answer. The host cuts the body. Without one every request ends with PLUGBUS_HTTP_CONNECTION. */
typedef plugbus_http_code (*plugbus_test_server)(const plugbus_http_request *request, plugbus_http_response *response);
void plugbus_test_serve(plugbus_test_server server);
/* What was sent, oldest first: what was granted, of handlers that failed too. Defaults are filled in, names of headers in lower case. */
size_t plugbus_test_requests_count(void);
const plugbus_http_request *plugbus_test_request(size_t index);

/* The log, oldest line first; of plugbus_init too, and of handlers that failed. */
size_t plugbus_test_log_count(void);
plugbus_test_line plugbus_test_log(size_t index);

#ifdef __cplusplus
}
#endif

#endif
