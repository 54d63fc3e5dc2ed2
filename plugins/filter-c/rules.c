#include "rules.h"

#include <stdlib.h>

static const struct {
    const char *name;
    test_kind kind;
} tests[] = {
    {"equals", EQUALS}, {"contains", CONTAINS}, {"starts_with", STARTS_WITH}, {"ends_with", ENDS_WITH},
    {"one_of", ONE_OF}, {"over", OVER},         {"under", UNDER},             {"exists", EXISTS},
};
#define TESTS (sizeof tests / sizeof *tests)

static const char *wrong(size_t rule, const char *what) { return plugbus_printf("config: rule %zu: %s", rule + 1, what).ptr; }

static void *keep(const void *from, size_t bytes) {
    void *kept = malloc(bytes ? bytes : 1);
    if (!kept) abort();
    if (bytes) memcpy(kept, from, bytes);
    return kept;
}

/* A copy that lives as long as the instance, with a NUL at its end. NULL where the value is no text, or has a NUL in it. */
static char *keep_text(plugbus_json value) {
    plugbus_str text = plugbus_json_text(value);
    if (!text.ptr || memchr(text.ptr, 0, text.len)) return NULL;
    char *kept = keep(plugbus_printf(PLUGBUS_FMT, PLUGBUS_ARG(text)).ptr, text.len + 1);
    return kept;
}

static const char *read_value(condition *made, plugbus_json value) {
    made->value = value;
    switch (made->kind) {
    case EQUALS: return value.kind == PLUGBUS_JSON_OBJECT || value.kind == PLUGBUS_JSON_ARRAY ? "`equals` wants text, a number or true or false" : NULL;
    case ONE_OF: return value.kind == PLUGBUS_JSON_ARRAY ? NULL : "`one_of` wants an array";
    case OVER:
    case UNDER: return plugbus_json_number(value, &made->number) ? NULL : "`over` and `under` want a number";
    case EXISTS:
        made->negated = made->negated != (value.kind == PLUGBUS_JSON_FALSE);
        return value.kind == PLUGBUS_JSON_TRUE || value.kind == PLUGBUS_JSON_FALSE ? NULL : "`exists` wants true or false";
    default: {
        plugbus_str text = plugbus_json_text(value);
        if (!text.ptr) return "`contains`, `starts_with` and `ends_with` want text";
        made->text.ptr = keep(text.ptr, text.len);
        made->text.len = text.len;
        return NULL;
    }
    }
}

static const char *read_condition(plugbus_json table, condition *made) {
    plugbus_json_iter iter = {0};
    plugbus_json value = {PLUGBUS_JSON_NONE, {NULL, 0}};
    memset(made, 0, sizeof *made);
    while (plugbus_json_next(table, &iter)) {
        plugbus_str key = plugbus_json_text(iter.name);
        size_t test = 0;
        while (test < TESTS && !plugbus_str_is(key, tests[test].name)) test++;
        if (test < TESTS) {
            if (value.kind != PLUGBUS_JSON_NONE) return "a condition has one test; `match = \"all\"` joins several";
            made->kind = tests[test].kind;
            value = iter.value;
        } else if (plugbus_str_is(key, "field")) {
            made->field = keep_text(iter.value);
        } else if (plugbus_str_is(key, "not")) {
            made->negated = iter.value.kind == PLUGBUS_JSON_TRUE;
        } else {
            return plugbus_printf("unknown key `" PLUGBUS_FMT "` in a condition", PLUGBUS_ARG(key)).ptr;
        }
    }
    if (!made->field) return "a condition wants `field`, a path like `tool_input.command`";
    if (value.kind == PLUGBUS_JSON_NONE) {
        return "a condition wants one of `equals`, `contains`, `starts_with`, `ends_with`, `one_of`, `over`, `under` and `exists`";
    }
    return read_value(made, value);
}

static const char *read_conditions(plugbus_json array, rule *made) {
    size_t len = plugbus_json_length(array);
    if (array.kind != PLUGBUS_JSON_ARRAY || len > CONDITIONS_MAX) return "`where` is an array of at most 32 conditions";
    made->conditions = calloc(len ? len : 1, sizeof *made->conditions);
    if (!made->conditions) abort();
    for (plugbus_json_iter iter = {0}; plugbus_json_next(array, &iter);) {
        const char *error = read_condition(iter.value, &made->conditions[made->conditions_len++]);
        if (error) return error;
    }
    return NULL;
}

static const char *read_rule(plugbus_json table, rule *made) {
    memset(made, 0, sizeof *made);
    for (plugbus_json_iter iter = {0}; plugbus_json_next(table, &iter);) {
        plugbus_str key = plugbus_json_text(iter.name);
        const char *error = NULL;
        if (plugbus_str_is(key, "name")) {
            made->name = keep_text(iter.value);
        } else if (plugbus_str_is(key, "topic")) {
            made->topic = keep_text(iter.value);
            if (!made->topic) error = "`topic` is a filter";
        } else if (plugbus_str_is(key, "to")) {
            made->to = keep_text(iter.value);
        } else if (plugbus_str_is(key, "match")) {
            made->any = plugbus_json_is_text(iter.value, plugbus_str_of("any"));
            if (!made->any && !plugbus_json_is_text(iter.value, plugbus_str_of("all"))) error = "`match` is \"all\" or \"any\"";
        } else if (plugbus_str_is(key, "where")) {
            error = read_conditions(iter.value, made);
        } else {
            error = plugbus_printf("unknown key `" PLUGBUS_FMT "`", PLUGBUS_ARG(key)).ptr;
        }
        if (error) return error;
    }
    if (!made->name || !*made->name) return "`name` is missing";
    return made->to && *made->to ? NULL : "`to` is missing: the topic that what matches goes to";
}

const char *rules_read(plugbus_json config, rules *made) {
    made->len = 0;
    plugbus_json array = plugbus_json_member(config, "rule");
    size_t len = plugbus_json_length(array);
    if (array.kind != PLUGBUS_JSON_ARRAY || len == 0 || len > RULES_MAX) return "config: 1 to 64 tables `[[config.rule]]` are wanted";
    for (plugbus_json_iter iter = {0}; plugbus_json_next(array, &iter); made->len++) {
        const char *error = read_rule(iter.value, &made->list[made->len]);
        if (error) return wrong(made->len, error);
    }
    return NULL;
}

/* Asking ---------------------------------------------------------------------------------------------------------------- */

static bool contains(plugbus_str text, plugbus_str part) {
    if (part.len == 0) return true;
    for (const char *at = text.ptr, *end = text.ptr + text.len; (size_t)(end - at) >= part.len; at++) {
        at = memchr(at, part.ptr[0], (size_t)(end - at) - part.len + 1);
        if (!at) return false;
        if (memcmp(at, part.ptr, part.len) == 0) return true;
    }
    return false;
}

static bool text_holds(const condition *asked, plugbus_json value) {
    plugbus_str text = plugbus_json_text(value), part = asked->text;
    if (!text.ptr || text.len < part.len) return false;
    if (asked->kind == CONTAINS) return contains(text, part);
    size_t at = asked->kind == ENDS_WITH ? text.len - part.len : 0;
    return part.len == 0 || memcmp(text.ptr + at, part.ptr, part.len) == 0;
}

static bool equals(plugbus_json wanted, plugbus_json found) {
    if (wanted.kind != found.kind) return false;
    double a, b;
    if (plugbus_json_number(wanted, &a) && plugbus_json_number(found, &b)) return a == b;
    if (wanted.kind == PLUGBUS_JSON_STRING) return plugbus_json_is_text(found, plugbus_json_text(wanted));
    return wanted.kind == PLUGBUS_JSON_TRUE || wanted.kind == PLUGBUS_JSON_FALSE || wanted.kind == PLUGBUS_JSON_NULL;
}

static bool holds(const condition *asked, plugbus_json data) {
    plugbus_json value = plugbus_json_path(data, asked->field);
    double number;
    switch (asked->kind) {
    case EQUALS: return equals(asked->value, value);
    case ONE_OF:
        for (plugbus_json_iter iter = {0}; plugbus_json_next(asked->value, &iter);) {
            if (equals(iter.value, value)) return true;
        }
        return false;
    case OVER: return plugbus_json_number(value, &number) && number > asked->number;
    case UNDER: return plugbus_json_number(value, &number) && number < asked->number;
    case EXISTS: return value.kind != PLUGBUS_JSON_NONE;
    default: return text_holds(asked, value);
    }
}

bool rule_matches(const rule *rule, plugbus_str topic, plugbus_json data) {
    if (rule->topic && !plugbus_topic_matches(rule->topic, topic)) return false;
    for (size_t i = 0; i < rule->conditions_len; i++) {
        const condition *asked = &rule->conditions[i];
        if ((holds(asked, data) != asked->negated) == rule->any) return rule->any;
    }
    return !rule->any || rule->conditions_len == 0;
}
