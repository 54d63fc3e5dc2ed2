/* The component's side: from the generated types to the SDK's, and back. */
#include <stdlib.h>

#include "../generated/plugin.h"
#include "host.h"
#include "utf8.h"

static plugbus_str view(plugin_string_t text) {
    plugbus_str made = {(const char *)text.ptr, text.len};
    return made;
}

static plugin_string_t borrow(plugbus_str text) {
    plugin_string_t made = {(uint8_t *)text.ptr, text.len};
    return made;
}

/* What the host frees: a copy that is valid UTF-8. */
static plugin_string_t give(plugbus_str text) {
    text = plugbus_utf8_clean(text);
    plugin_string_t made;
    plugin_string_dup_n(&made, text.ptr, text.len);
    return made;
}

/* What the host gave: a copy in call memory. */
static plugbus_str take(plugin_string_t *text) {
    plugbus_str made = plugbus_copy(view(*text));
    plugin_string_free(text);
    return made;
}

plugbus_status plugbus_host_publish(plugbus_str topic, plugbus_str content_type, plugbus_str data,
                                    const plugbus_extension *extensions, size_t extensions_len, plugbus_str *answer) {
    plugin_string_t name = borrow(topic), id;
    plugbus_plugin_publisher_payload_t payload;
    plugbus_plugin_publisher_publish_error_t error;
    payload.content_type = borrow(content_type);
    /* As bytes, whatever they are: the host looks by itself whether they are text. */
    payload.body.tag = PLUGBUS_PLUGIN_TYPES_BODY_BYTES;
    payload.body.val.bytes.ptr = (uint8_t *)data.ptr;
    payload.body.val.bytes.len = data.len;
    /* The same layout: two texts, each a pointer and a length. */
    _Static_assert(sizeof(plugbus_extension) == sizeof(plugin_tuple2_string_string_t), "the layout of an extension");
    plugin_list_tuple2_string_string_t pairs = {(plugin_tuple2_string_string_t *)extensions, extensions_len};
    if (plugbus_plugin_publisher_publish(&name, &payload, &pairs, &id, &error)) {
        *answer = take(&id);
        return PLUGBUS_OK;
    }
    *answer = take(&error.val.denied); /* every case holds a text */
    return (plugbus_status)(PLUGBUS_DENIED + error.tag);
}

void plugbus_host_log(plugbus_level level, plugbus_str message) {
    plugin_string_t context = {NULL, 0}, line = borrow(message);
    wasi_logging_logging_log((wasi_logging_logging_level_t)level, &context, &line);
}

bool exports_plugbus_plugin_subscriber_init(plugin_string_t *config,
                                            exports_plugbus_plugin_subscriber_registration_t *registration,
                                            plugin_string_t *error) {
    const char *refusal = plugbus_call_init(view(*config));
    plugin_string_free(config);
    if (refusal) {
        *error = give(plugbus_str_of(refusal));
        return false;
    }
    size_t count;
    const char *const *filters = plugbus_filters(&count);
    registration->filters.len = count;
    registration->filters.ptr = count ? malloc(count * sizeof(plugin_string_t)) : NULL;
    if (count && !registration->filters.ptr) abort();
    for (size_t i = 0; i < count; i++) registration->filters.ptr[i] = give(plugbus_str_of(filters[i]));
    return true;
}

static plugbus_event seen(const plugbus_plugin_types_event_t *event) {
    plugbus_event made;
    made.id = view(event->id);
    made.source = view(event->source);
    made.topic = view(event->topic);
    made.subject.ptr = NULL;
    made.subject.len = 0;
    if (event->subject.is_some) {
        made.subject = view(event->subject.val);
        if (!made.subject.ptr) made.subject.ptr = "";
    }
    made.time_ns = event->time_ns;
    made.content_type = view(event->payload.content_type);
    made.is_text = event->payload.body.tag == PLUGBUS_PLUGIN_TYPES_BODY_TEXT;
    made.data = view(event->payload.body.val.text); /* both cases are a pointer and a length */
    made.extensions = (const plugbus_extension *)event->extensions.ptr;
    made.extensions_len = event->extensions.len;
    made.attempt = event->attempt;
    return made;
}

/* What the handler said, as the host wants it; true for an ack. */
static bool answer(const plugbus_result *result, exports_plugbus_plugin_subscriber_option_payload_t *reply,
                   exports_plugbus_plugin_subscriber_failure_t *failure) {
    switch (result->outcome) {
    case PLUGBUS_ACKED: reply->is_some = false; return true;
    case PLUGBUS_REPLIED:
        reply->is_some = true;
        reply->val.content_type = give(result->content_type);
        reply->val.body.tag = PLUGBUS_PLUGIN_TYPES_BODY_BYTES;
        reply->val.body.val.bytes.len = result->text.len;
        reply->val.body.val.bytes.ptr = result->text.len ? malloc(result->text.len) : NULL;
        if (result->text.len && !reply->val.body.val.bytes.ptr) abort();
        if (result->text.len) memcpy(reply->val.body.val.bytes.ptr, result->text.ptr, result->text.len);
        return true;
    case PLUGBUS_RETRY:
        failure->tag = PLUGBUS_PLUGIN_TYPES_FAILURE_RETRY;
        failure->val.retry.reason = give(result->text);
        failure->val.retry.after_ms.is_some = result->after_ms != PLUGBUS_BACKOFF;
        failure->val.retry.after_ms.val = result->after_ms;
        return false;
    case PLUGBUS_REJECTED:
        failure->tag = PLUGBUS_PLUGIN_TYPES_FAILURE_REJECT;
        failure->val.reject = give(result->text);
        return false;
    }
    abort(); /* a result that none of the functions has made */
}

bool exports_plugbus_plugin_subscriber_handle(exports_plugbus_plugin_subscriber_event_t *event,
                                              exports_plugbus_plugin_subscriber_option_payload_t *reply,
                                              exports_plugbus_plugin_subscriber_failure_t *failure) {
    plugbus_call_begin();
    plugbus_event borrowed = seen(event);
    plugbus_result result = plugbus_handle(&borrowed);
    bool acked = answer(&result, reply, failure);
    exports_plugbus_plugin_subscriber_event_free(event);
    return acked;
}

/* The generated code wants an object file with the contract in it; build.py names the contract afterwards, from the WIT itself. */
void __component_type_object_force_link_plugin(void);
void __component_type_object_force_link_plugin(void) {}
