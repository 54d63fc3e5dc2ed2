#include "plugbus_test.h"

#include "host.h"
#include "plugbus_test_parts.h"
#include "utf8.h"

#define GRANTS_MAX 64

/* Grows by doubling; nothing is freed before the test ends. */
#define PUSH(list, count, value)                                                                    \
    do {                                                                                            \
        if (((count) & ((count) - 1)) == 0) {                                                       \
            (list) = realloc((list), ((count) ? (count) * 2 : 1) * sizeof *(list));                 \
            if (!(list)) abort();                                                                   \
        }                                                                                           \
        (list)[(count)++] = (value);                                                                \
    } while (0)

static plugbus_test_event *published;
static size_t published_count, acked_count, staged_bytes;
static plugbus_test_line *lines;
static size_t lines_count;
static const char *grants[GRANTS_MAX];
static size_t grants_count, publishes_max, publish_bytes;
static bool in_handler;

plugbus_str plugbus_test_keep(plugbus_str text) {
    char *copy = malloc(text.len + 1);
    if (!copy) abort();
    if (text.len) memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    plugbus_str kept = {copy, text.len};
    return kept;
}

plugbus_status plugbus_host_publish(plugbus_str topic, plugbus_str content_type, plugbus_str data,
                                    const plugbus_extension *extensions, size_t extensions_len, plugbus_str *answer) {
    bool granted = false;
    for (size_t i = 0; i < grants_count; i++) granted = granted || plugbus_topic_matches(grants[i], topic);
    if (topic.len == 0 || topic.len > 255) {
        *answer = plugbus_printf("topic of %zu bytes; 1 to 255 are allowed", topic.len);
        return PLUGBUS_INVALID;
    }
    if (!in_handler || !granted || plugbus_topic_matches("plugbus.>", topic)) {
        *answer = plugbus_printf("`" PLUGBUS_FMT "` is not covered by the manifest's `publish` filters", PLUGBUS_ARG(topic));
        return PLUGBUS_DENIED;
    }
    if (published_count - acked_count >= publishes_max || data.len > publish_bytes - staged_bytes) {
        *answer = plugbus_printf("%zu events and %zu bytes for one event", publishes_max, publish_bytes);
        return PLUGBUS_OVER_LIMIT;
    }
    plugbus_extension *kept = malloc((extensions_len + 1) * sizeof *kept);
    if (!kept) abort();
    for (size_t i = 0; i < extensions_len; i++) {
        kept[i].name = plugbus_test_keep(extensions[i].name);
        kept[i].value = plugbus_test_keep(extensions[i].value);
    }
    plugbus_test_event event = {plugbus_test_keep(topic), plugbus_test_keep(content_type), plugbus_test_keep(data), kept, extensions_len};
    PUSH(published, published_count, event);
    staged_bytes += data.len;
    *answer = plugbus_printf("published-%zu", published_count);
    return PLUGBUS_OK;
}

void plugbus_host_log(plugbus_level level, plugbus_str message) {
    plugbus_test_line line = {level, plugbus_test_keep(message)};
    PUSH(lines, lines_count, line);
}

const char *plugbus_test_start(const char *config_json) {
    published_count = acked_count = lines_count = 0;
    published = NULL;
    lines = NULL;
    grants_count = 0;
    grants[grants_count++] = ">";
    plugbus_test_limit(64, 1 << 20);
    plugbus_test_kv_clear();
    plugbus_test_http_clear();
    return plugbus_call_init(plugbus_str_of(config_json));
}

void plugbus_test_grant(const char *filter) {
    if (grants_count == 1 && strcmp(grants[0], ">") == 0) grants_count = 0;
    if (grants_count == GRANTS_MAX) abort();
    grants[grants_count++] = plugbus_test_keep(plugbus_str_of(filter)).ptr;
}

void plugbus_test_limit(size_t count, size_t bytes) {
    publishes_max = count;
    publish_bytes = bytes;
}

plugbus_event plugbus_test_event_of(const char *topic, plugbus_str data) {
    plugbus_event event = {0};
    event.id = plugbus_str_of("event-1");
    event.source = plugbus_str_of("test");
    event.topic = plugbus_str_of(topic);
    event.content_type = plugbus_str_of(PLUGBUS_JSON);
    event.time_ns = 1700000000000000000u;
    event.data = data;
    event.attempt = 1;
    return event;
}

plugbus_result plugbus_test_send(const char *topic, const char *data) {
    return plugbus_test_send_event(plugbus_test_event_of(topic, plugbus_str_of(data)));
}

plugbus_result plugbus_test_send_event(plugbus_event event) {
    event.is_text = plugbus_utf8_is_valid(event.data);
    plugbus_call_begin();
    staged_bytes = 0;
    in_handler = true;
    plugbus_test_kv_begin();
    plugbus_test_http_begin();
    plugbus_result result = plugbus_handle(&event);
    in_handler = false;
    bool acked = result.outcome == PLUGBUS_ACKED || result.outcome == PLUGBUS_REPLIED;
    plugbus_test_kv_end(acked);
    if (acked) {
        acked_count = published_count;
    } else {
        published_count = acked_count;
    }
    result.text = plugbus_test_keep(result.text);
    return result;
}

plugbus_str plugbus_test_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *content = NULL;
    size_t size = 0;
    if (!file) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    for (int c; (c = fgetc(file)) != EOF;) PUSH(content, size, (char)c);
    fclose(file);
    plugbus_str text = {content, size};
    return text;
}

bool plugbus_test_subscribes_to(const char *topic) {
    size_t count;
    const char *const *filters = plugbus_filters(&count);
    for (size_t i = 0; i < count; i++) {
        if (plugbus_topic_matches(filters[i], plugbus_str_of(topic))) return true;
    }
    return false;
}

size_t plugbus_test_published_count(void) { return acked_count; }
const plugbus_test_event *plugbus_test_published(size_t index) {
    if (index >= acked_count) abort();
    return &published[index];
}

size_t plugbus_test_log_count(void) { return lines_count; }
plugbus_test_line plugbus_test_log(size_t index) {
    if (index >= lines_count) abort();
    return lines[index];
}
