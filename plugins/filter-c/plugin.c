/* Forwards events whose JSON fields match rules of the configuration. */
#include "rules.h"

static rules known;

/* A topic that comes back in would be forwarded again and again, until the host ends it. */
static bool comes_back(plugbus_json filters, const char *to) {
    for (plugbus_json_iter iter = {0}; plugbus_json_next(filters, &iter);) {
        plugbus_str filter = plugbus_printf(PLUGBUS_FMT, PLUGBUS_ARG(plugbus_json_text(iter.value)));
        if (plugbus_topic_matches(filter.ptr, plugbus_str_of(to))) return true;
    }
    return false;
}

static const char *listen(plugbus_json config) {
    plugbus_json filters = plugbus_json_member(config, "filters");
    size_t len = plugbus_json_length(filters);
    if (filters.kind != PLUGBUS_JSON_ARRAY || len == 0 || len > 64) return "config: `filters` is an array of 1 to 64 topic filters";
    for (plugbus_json_iter iter = {0}; plugbus_json_next(filters, &iter);) {
        plugbus_str filter = plugbus_json_text(iter.value);
        if (!filter.ptr || memchr(filter.ptr, 0, filter.len)) return "config: `filters` holds text only";
        plugbus_listen(plugbus_printf(PLUGBUS_FMT, PLUGBUS_ARG(filter)).ptr);
    }
    for (size_t i = 0; i < known.len; i++) {
        const rule *rule = &known.list[i];
        if (comes_back(filters, rule->to) && (!rule->topic || plugbus_topic_matches(rule->topic, plugbus_str_of(rule->to)))) {
            return plugbus_printf("config: rule `%s`: `to` is `%s`, which comes back in through `filters`", rule->name, rule->to).ptr;
        }
    }
    return NULL;
}

const char *plugbus_init(plugbus_str config) {
    plugbus_json table;
    if (!plugbus_json_parse(config, &table)) return plugbus_error();
    for (plugbus_json_iter iter = {0}; plugbus_json_next(table, &iter);) {
        plugbus_str key = plugbus_json_text(iter.name);
        if (!plugbus_str_is(key, "filters") && !plugbus_str_is(key, "rule")) {
            return plugbus_printf("config: unknown key `" PLUGBUS_FMT "`; there are `filters` and `rule`", PLUGBUS_ARG(key)).ptr;
        }
    }
    const char *error = rules_read(table, &known);
    return error ? error : listen(table);
}

/* The event as it is, with one extension more. */
static plugbus_status forward(const plugbus_event *event, const rule *rule) {
    size_t len = event->extensions_len;
    plugbus_extension *extensions = plugbus_alloc((len + 1) * sizeof *extensions);
    plugbus_extension mark = {plugbus_str_of("rule"), plugbus_str_of(rule->name)};
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        if (!plugbus_str_is(event->extensions[i].name, "rule")) extensions[kept++] = event->extensions[i];
    }
    extensions[kept++] = mark;
    return plugbus_publish_with(plugbus_str_of(rule->to), event->content_type, event->data, extensions, kept, NULL);
}

plugbus_result plugbus_handle(const plugbus_event *event) {
    plugbus_json data;
    plugbus_event_json(event, &data); /* PLUGBUS_JSON_NONE where it is none: then no field is there */
    for (size_t i = 0; i < known.len; i++) {
        const rule *rule = &known.list[i];
        if (rule_matches(rule, event->topic, data) && forward(event, rule) != PLUGBUS_OK) return plugbus_reject_error();
    }
    return plugbus_ack();
}
