#include "plugbus.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"
#include "utf8.h"

#define FILTERS_MAX 64

/* Call memory: blocks, the newest first. The first one stays from call to call, so most calls ask the allocator for nothing. */
typedef struct block {
    struct block *next;
    size_t size, used;
    _Alignas(max_align_t) char bytes[];
} block;

#define FIRST_BLOCK 4096

static block *blocks;
static const char *last_error = "";
static plugbus_str config;
static char *filters[FILTERS_MAX + 1];
static size_t filters_len;

static void *need(void *memory) {
    if (!memory) abort();
    return memory;
}

void plugbus_call_begin(void) {
    while (blocks && blocks->next) {
        block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
    if (blocks) blocks->used = 0;
    last_error = "";
}

void *plugbus_alloc(size_t bytes) {
    const size_t alignment = _Alignof(max_align_t);
    if (bytes > SIZE_MAX / 2) abort();
    size_t wanted = (bytes + alignment - 1) / alignment * alignment;
    if (!blocks || blocks->size - blocks->used < wanted) {
        size_t size = blocks ? blocks->size * 2 : FIRST_BLOCK;
        if (size < wanted) size = wanted;
        if (size > (1u << 20) && wanted <= (1u << 20)) size = 1u << 20;
        block *made = need(malloc(sizeof(block) + size));
        made->next = blocks;
        made->size = size;
        made->used = 0;
        blocks = made;
    }
    void *memory = blocks->bytes + blocks->used;
    blocks->used += wanted;
    return memory;
}

plugbus_str plugbus_copy(plugbus_str text) {
    char *copy = plugbus_alloc(text.len + 1);
    if (text.len) memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    plugbus_str made = {copy, text.len};
    return made;
}

static plugbus_str print(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) return plugbus_str_of("(a text that cannot be formatted)");
    char *text = plugbus_alloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    plugbus_str made = {text, (size_t)length};
    return made;
}

plugbus_str plugbus_printf(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    plugbus_str text = print(format, arguments);
    va_end(arguments);
    return text;
}

void plugbus_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    last_error = print(format, arguments).ptr;
    va_end(arguments);
}

const char *plugbus_error(void) { return last_error; }

plugbus_str plugbus_config(void) { return config; }

void plugbus_listen(const char *filter) {
    if (filters_len >= FILTERS_MAX + 1) return; /* one too many is kept, so that the host says so */
    filters[filters_len] = need(malloc(strlen(filter) + 1));
    strcpy(filters[filters_len++], filter);
}

const char *const *plugbus_filters(size_t *count) {
    *count = filters_len;
    return (const char *const *)filters;
}

const char *plugbus_call_init(plugbus_str json) {
    plugbus_call_begin();
    while (filters_len > 0) free(filters[--filters_len]);
    char *kept = need(malloc(json.len + 1));
    memcpy(kept, json.ptr, json.len);
    kept[json.len] = 0;
    free((char *)config.ptr);
    config.ptr = kept;
    config.len = json.len;
    return plugbus_init(config);
}

plugbus_result plugbus_ack(void) {
    plugbus_result result = {PLUGBUS_ACKED, {NULL, 0}, {NULL, 0}, PLUGBUS_BACKOFF};
    return result;
}

plugbus_result plugbus_reply(const char *content_type, plugbus_str data) {
    plugbus_result result = {PLUGBUS_REPLIED, plugbus_str_of(content_type), data, PLUGBUS_BACKOFF};
    return result;
}

plugbus_result plugbus_retry(uint64_t after_ms, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    plugbus_result result = {PLUGBUS_RETRY, {NULL, 0}, print(format, arguments), after_ms};
    va_end(arguments);
    return result;
}

plugbus_result plugbus_reject(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    plugbus_result result = {PLUGBUS_REJECTED, {NULL, 0}, print(format, arguments), PLUGBUS_BACKOFF};
    va_end(arguments);
    return result;
}

plugbus_result plugbus_reject_error(void) {
    plugbus_result result = {PLUGBUS_REJECTED, {NULL, 0}, plugbus_str_of(last_error), PLUGBUS_BACKOFF};
    return result;
}

plugbus_result plugbus_retry_error(void) {
    plugbus_result result = {PLUGBUS_RETRY, {NULL, 0}, plugbus_str_of(last_error), PLUGBUS_BACKOFF};
    return result;
}

plugbus_status plugbus_publish(const char *topic, const char *content_type, plugbus_str data) {
    return plugbus_publish_with(plugbus_str_of(topic), plugbus_str_of(content_type), data, NULL, 0, NULL);
}

plugbus_status plugbus_publish_with(plugbus_str topic, plugbus_str content_type, plugbus_str data,
                                    const plugbus_extension *extensions, size_t extensions_len, plugbus_str *id) {
    bool valid = plugbus_utf8_is_valid(topic) && plugbus_utf8_is_valid(content_type);
    for (size_t i = 0; i < extensions_len; i++) {
        valid = valid && plugbus_utf8_is_valid(extensions[i].name) && plugbus_utf8_is_valid(extensions[i].value);
    }
    if (!valid) {
        plugbus_fail("publish of a malformed event: topic, content type or an extension is no UTF-8");
        return PLUGBUS_INVALID;
    }
    static const char *const words[] = {"", "publish denied", "publish of a malformed event", "publish over the limit"};
    plugbus_str answer = {NULL, 0};
    plugbus_status status = plugbus_host_publish(topic, content_type, data, extensions, extensions_len, &answer);
    if (status != PLUGBUS_OK) {
        plugbus_fail("%s: " PLUGBUS_FMT, words[status], PLUGBUS_ARG(answer));
    } else if (id) {
        *id = answer;
    }
    return status;
}

void plugbus_log(plugbus_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    plugbus_str line = print(format, arguments);
    va_end(arguments);
    plugbus_host_log(level, plugbus_utf8_clean(line));
}

bool plugbus_event_json(const plugbus_event *event, plugbus_json *root) {
    if (event->is_text && plugbus_json_parse(event->data, root)) return true;
    plugbus_fail("event on `" PLUGBUS_FMT "`: the data is %s", PLUGBUS_ARG(event->topic),
                 event->is_text ? last_error : "no JSON: it is no UTF-8");
    return false;
}

plugbus_str plugbus_event_extension(const plugbus_event *event, const char *name) {
    for (size_t i = 0; i < event->extensions_len; i++) {
        if (plugbus_str_is(event->extensions[i].name, name)) return event->extensions[i].value;
    }
    plugbus_str none = {NULL, 0};
    return none;
}
