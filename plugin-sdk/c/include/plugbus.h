/* Write a plugbus plugin in C or C++. This page is the whole contract.
 *
 * A plugin defines two functions:
 *
 *     #include <plugbus.h>
 *
 *     const char *plugbus_init(plugbus_str config) {
 *         plugbus_listen("chat.joined");
 *         return NULL;
 *     }
 *
 *     plugbus_result plugbus_handle(const plugbus_event *event) {
 *         plugbus_json data;
 *         if (!plugbus_event_json(event, &data)) return plugbus_reject_error();
 *         plugbus_str name = plugbus_json_text(plugbus_json_member(data, "name"));
 *         plugbus_str line = plugbus_printf("Welcome, " PLUGBUS_FMT "!", PLUGBUS_ARG(name));
 *         if (plugbus_publish("chat.said", PLUGBUS_TEXT, line) != PLUGBUS_OK) return plugbus_reject_error();
 *         return plugbus_reply(PLUGBUS_TEXT, plugbus_str_of("greeted"));
 *     }
 *
 * `python build.py DIR -o NAME.wasm`, in this SDK's folder, makes the component of all C and C++ files of a folder. NAME.wasm and
 * its manifest NAME.toml go into the host's plugins folder. `python build.py DIR --test` runs the tests in DIR/test natively; see
 * plugbus_test.h.
 *
 * Ownership
 *   What the SDK hands out is borrowed: the event and everything in it, and whatever a function returns, lives until the handler has
 *   returned, unless a comment says otherwise. Nothing is freed by the plugin. What a plugin hands in is copied before the function
 *   returns; text in a plugbus_result must live until the handler has returned. What must last longer, copy with malloc. Where memory
 *   runs out the SDK aborts, which the host sees as a fault.
 *
 * Text
 *   A plugbus_str is a pointer and a length in bytes. What comes from the host as text is valid UTF-8; there is no NUL at its end.
 *   What plugbus_printf returns has one.
 *
 * What becomes of an event
 *   plugbus_ack, plugbus_reply: handled. What was published leaves now; a reply answers a publisher that waits for one.
 *   plugbus_retry: not now. The event comes again later, 5 times in all by default; then it is a dead letter. What was published is
 *   thrown away. Later events wait meanwhile.
 *   plugbus_reject: never. The event becomes a dead letter at once, with this reason. What was published is thrown away.
 *   A trap (abort, access out of bounds), the end of its fuel (500 million), of its time (5 s) or memory (128 MiB) is a fault: the
 *   host tries the event again on a new instance.
 *
 * Delivery is at least once: an event may come again, under the same source and id and with a higher `attempt`. With one instance,
 * the default, events come one at a time in the order of their acceptance. Static variables live until the instance is replaced, on
 * a reload or a fault. There are no threads.
 *
 * A plugin may do only what its manifest grants: without `publish = ["chat.>"]` every publish is PLUGBUS_DENIED. stdout and stderr
 * go to the plugin's log.
 *
 * C++: the functions have C linkage. Exceptions are switched off by the build, and so is RTTI.
 */
#ifndef PLUGBUS_H
#define PLUGBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "plugbus_json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For printf: PLUGBUS_FMT in the format, PLUGBUS_ARG(text) among the arguments. */
#define PLUGBUS_FMT "%.*s"
#define PLUGBUS_ARG(text) (int)(text).len, (text).ptr

/* Media types. */
#define PLUGBUS_JSON "application/json"
#define PLUGBUS_TEXT "text/plain; charset=utf-8"
#define PLUGBUS_BYTES "application/octet-stream"

#if defined(__GNUC__)
#define PLUGBUS_PRINTF(at, from) __attribute__((__format__(__printf__, at, from)))
#else
#define PLUGBUS_PRINTF(at, from)
#endif

/* An extension attribute of CloudEvents. */
typedef struct plugbus_extension {
    plugbus_str name;
    plugbus_str value;
} plugbus_extension;

/* One event as one plugin sees it: the attributes of CloudEvents 1.0, with `type` called `topic`. */
typedef struct plugbus_event {
    plugbus_str id;     /* Unique together with source. A repeated delivery carries the same: use it to recognise doubles. */
    plugbus_str source; /* Who published it. Publishers outside name themselves: no proof of who it was. */
    plugbus_str topic;  /* Dot-separated tokens, for example hook.pre-tool-use.bash. */
    plugbus_str subject; /* What it is about, for example a session id; ptr is NULL where there is none. */
    uint64_t time_ns;    /* When it happened: nanoseconds since 1970-01-01T00:00:00Z. */
    plugbus_str content_type;
    plugbus_str data; /* The data; empty where there is none. */
    bool is_text;     /* Whether the data is valid UTF-8. */
    const plugbus_extension *extensions; /* Sorted by name. */
    size_t extensions_len;
    uint32_t attempt; /* 1 for the first attempt to deliver this event to this plugin, 2 for the first repetition. */
} plugbus_event;

typedef enum plugbus_outcome {
    PLUGBUS_ACKED,
    PLUGBUS_REPLIED,
    PLUGBUS_RETRY,
    PLUGBUS_REJECTED,
} plugbus_outcome;

/* What a handler returns; made by the functions below. */
typedef struct plugbus_result {
    plugbus_outcome outcome;
    plugbus_str content_type; /* Of a reply. */
    plugbus_str text;         /* The data of a reply, the reason of a retry or rejection. */
    uint64_t after_ms;        /* Of a retry; PLUGBUS_BACKOFF leaves it to the policy. */
} plugbus_result;

/* Leaves the delay of a retry to the manifest's policy: 100 ms, doubling to 30 s. */
#define PLUGBUS_BACKOFF UINT64_MAX

/* What the plugin defines ------------------------------------------------------------------------------------------------- */

/* Called once for each instance, before its first event. `config` is the manifest's [config] table as a JSON object, {} when there
 * is none; it lives as long as the instance. Calls plugbus_listen at least once, unless the manifest names the filters. Returns NULL,
 * or why the plugin refuses (say, "config: missing key `url`"): the operator sees that text, and the last good version goes on. It may
 * log; it may not publish. */
const char *plugbus_init(plugbus_str config);

/* Called for each event that matches a filter. */
plugbus_result plugbus_handle(const plugbus_event *event);

/* What the plugin calls --------------------------------------------------------------------------------------------------- */

/* In plugbus_init: asks for events. `*` stands for exactly one token, a final `>` for one or more. The text is copied. At most 64;
 * filters in the manifest take their place. */
void plugbus_listen(const char *filter);

/* Handled. */
plugbus_result plugbus_ack(void);
/* Handled, with an answer for a publisher that waits for a reply. An empty content type means application/octet-stream. */
plugbus_result plugbus_reply(const char *content_type, plugbus_str data);
/* Not now: bring the event again after so many milliseconds (5 minutes at most, by default), or PLUGBUS_BACKOFF. */
plugbus_result plugbus_retry(uint64_t after_ms, const char *format, ...) PLUGBUS_PRINTF(2, 3);
/* Never: the event becomes a dead letter at once, with this reason. */
plugbus_result plugbus_reject(const char *format, ...) PLUGBUS_PRINTF(1, 2);
/* Never, for the reason of the last error: of plugbus_publish, plugbus_event_json or plugbus_json_parse. */
plugbus_result plugbus_reject_error(void);
/* Not now, for the reason of the last error, with the policy's delay: of a store that has refused, say. */
plugbus_result plugbus_retry_error(void);

/* "The bus did not take it": nothing was staged by this call; what was staged before stays staged. plugbus_error says more. */
typedef enum plugbus_status {
    PLUGBUS_OK = 0,
    PLUGBUS_DENIED,     /* The manifest's `publish` filters do not cover the topic, or it is the host's own (`plugbus.`), or the
                           call came from plugbus_init. */
    PLUGBUS_INVALID,    /* The topic, content type or an extension is malformed, or the data is over 1 MiB. */
    PLUGBUS_OVER_LIMIT, /* Over the number or bytes of publishes for one event: 64 and 1 MiB by default. */
} plugbus_status;

/* Stages an event. It leaves when the handler acks, in the order of the calls; if it does not ack, it never does. Never waits.
 * `topic` is 1 to 16 tokens with dots between them, at most 255 bytes. The host sets source, time and id, and passes `traceparent` and
 * subject of the handled event on. */
plugbus_status plugbus_publish(const char *topic, const char *content_type, plugbus_str data);

/* The same with a topic that has no NUL, with extension attributes (names of at most 20 of a-z and 0-9, values of at most 4096
 * bytes of text), and with the id that the event will have, where `id` is not NULL. */
plugbus_status plugbus_publish_with(plugbus_str topic, plugbus_str content_type, plugbus_str data,
                                    const plugbus_extension *extensions, size_t extensions_len, plugbus_str *id);

/* What went wrong last, in words. Empty where nothing has in this call. */
const char *plugbus_error(void);

typedef enum plugbus_level {
    PLUGBUS_TRACE,
    PLUGBUS_DEBUG,
    PLUGBUS_INFO,
    PLUGBUS_WARN,
    PLUGBUS_ERROR,
    PLUGBUS_CRITICAL,
} plugbus_level;

/* Writes a line into the plugin's log; 16 KiB for each event by default, what is over is cut and counted. Never fails. */
void plugbus_log(plugbus_level level, const char *format, ...) PLUGBUS_PRINTF(2, 3);

/* The configuration, as plugbus_init got it. Lives as long as the instance. */
plugbus_str plugbus_config(void);

/* The data of an event as JSON. False, with a text for plugbus_reject_error, where it is none. */
bool plugbus_event_json(const plugbus_event *event, plugbus_json *root);

/* The value of an extension attribute; ptr is NULL where there is none. */
plugbus_str plugbus_event_extension(const plugbus_event *event, const char *name);

/* Whether a filter matches a topic. One that begins with a wildcard does not match the host's own `plugbus.` topics. */
bool plugbus_topic_matches(const char *filter, plugbus_str topic);

/* Memory until the handler (or plugbus_init) has returned: not zeroed, aligned for anything. */
void *plugbus_alloc(size_t bytes);
/* Text in such memory, with a NUL at its end. */
plugbus_str plugbus_printf(const char *format, ...) PLUGBUS_PRINTF(1, 2);

static inline plugbus_str plugbus_str_of(const char *text) {
    plugbus_str view = {text, text ? strlen(text) : 0};
    return view;
}

static inline bool plugbus_str_is(plugbus_str view, const char *text) {
    size_t len = strlen(text);
    return view.len == len && (len == 0 || memcmp(view.ptr, text, len) == 0);
}

#ifdef __cplusplus
}
#endif

#endif
