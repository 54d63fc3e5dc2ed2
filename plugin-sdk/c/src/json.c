#include "plugbus_json.h"

#include <stdlib.h>

#include "host.h"
#include "utf8.h"

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *skip_space(const char *p, const char *end) {
    while (p < end && is_space(*p)) p++;
    return p;
}

/* The checks: each returns the place behind what it has read, or NULL with the place of the mistake in *bad. -------------- */

static const char *wrong(const char **bad, const char *at) {
    *bad = at;
    return NULL;
}

static bool is_hex4(const char *p, const char *end) {
    if (end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = (char)(p[i] | 32);
        if (!is_digit(p[i]) && !(c >= 'a' && c <= 'f')) return false;
    }
    return true;
}

/* Whether eight characters are just text: no quote, no backslash, no control character. May say no where it is so. */
static bool are_plain(const char *p) {
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t eight;
    memcpy(&eight, p, sizeof eight);
    uint64_t quotes = eight ^ ones * '"', backslashes = eight ^ ones * '\\';
    return !((((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes) | ((eight - ones * 0x20) & ~eight)) & ones * 0x80);
}

static const char *check_string(const char *p, const char *end, const char **bad) {
    for (p++; p < end; p++) {
        while (end - p > 8 && are_plain(p)) p += 8;
        if (*p == '"') return p + 1;
        if ((unsigned char)*p < 0x20) return wrong(bad, p);
        if (*p != '\\') continue;
        if (++p == end) break;
        if (*p == 'u') {
            if (!is_hex4(p + 1, end)) return wrong(bad, p);
            p += 4;
        } else if (!memchr("\"\\/bfnrt", *p, 8)) {
            return wrong(bad, p);
        }
    }
    return wrong(bad, end);
}

static const char *check_digits(const char *p, const char *end, const char **bad) {
    if (p == end || !is_digit(*p)) return wrong(bad, p);
    while (p < end && is_digit(*p)) p++;
    return p;
}

static const char *check_number(const char *p, const char *end, const char **bad) {
    if (*p == '-') p++;
    p = p < end && *p == '0' ? p + 1 : check_digits(p, end, bad);
    if (p && p < end && *p == '.') p = check_digits(p + 1, end, bad);
    if (p && p < end && (*p | 32) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        p = check_digits(p, end, bad);
    }
    return p;
}

static const char *check_word(const char *p, const char *end, const char *word, const char **bad) {
    size_t length = strlen(word);
    return (size_t)(end - p) >= length && memcmp(p, word, length) == 0 ? p + length : wrong(bad, p);
}

static const char *check_scalar(const char *p, const char *end, const char **bad) {
    if (p == end) return wrong(bad, p);
    switch (*p) {
    case '"': return check_string(p, end, bad);
    case 't': return check_word(p, end, "true", bad);
    case 'f': return check_word(p, end, "false", bad);
    case 'n': return check_word(p, end, "null", bad);
    default: return *p == '-' || is_digit(*p) ? check_number(p, end, bad) : wrong(bad, p);
    }
}

/* A member's name with its colon. */
static const char *check_name(const char *p, const char *end, const char **bad) {
    p = skip_space(p, end);
    if (p == end || *p != '"') return wrong(bad, p);
    p = check_string(p, end, bad);
    if (!p) return NULL;
    p = skip_space(p, end);
    return p < end && *p == ':' ? p + 1 : wrong(bad, p);
}

/* One value with all that is in it. No recursion: which levels are objects is a bit each. */
static const char *check_value(const char *p, const char *end, const char **bad) {
    unsigned char is_object[PLUGBUS_JSON_DEPTH_MAX / 8] = {0};
    size_t depth = 0;
    for (;;) {
        p = skip_space(p, end);
        if (p < end && (*p == '{' || *p == '[')) {
            if (depth == PLUGBUS_JSON_DEPTH_MAX) return wrong(bad, p);
            bool object = *p == '{';
            unsigned char bit = (unsigned char)(1u << (depth % 8));
            is_object[depth / 8] = (unsigned char)(object ? is_object[depth / 8] | bit : is_object[depth / 8] & ~bit);
            depth++;
            p = skip_space(p + 1, end);
            if (p == end || *p != (object ? '}' : ']')) { /* not empty: its first value */
                if (object && !(p = check_name(p, end, bad))) return NULL;
                continue;
            }
            p++;
            depth--;
        } else if (!(p = check_scalar(p, end, bad))) {
            return NULL;
        }
        for (;;) { /* behind a value */
            if (depth == 0) return p;
            bool object = is_object[(depth - 1) / 8] >> ((depth - 1) % 8) & 1;
            p = skip_space(p, end);
            if (p == end) return wrong(bad, p);
            if (*p == ',') {
                p++;
                if (object && !(p = check_name(p, end, bad))) return NULL;
                break;
            }
            if (*p != (object ? '}' : ']')) return wrong(bad, p);
            p++;
            depth--;
        }
    }
}

/* The readers: on text that has been checked. -------------------------------------------------------------------------- */

static const char *skip_string(const char *p, const char *end) {
    for (p++;; p++) {
        while (end - p > 8 && are_plain(p)) p += 8;
        if (*p == '"') return p + 1;
        if (*p == '\\') p++;
    }
}

static const char *skip_value(const char *p, const char *end) {
    size_t depth = 0;
    do {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            depth--;
        } else if (depth == 0) {
            while (p < end && !is_space(*p) && *p != ',' && *p != '}' && *p != ']') p++;
            return p;
        }
        p++;
    } while (depth > 0 && p < end);
    return p;
}

static plugbus_json_kind kind_of(char first) {
    switch (first) {
    case '{': return PLUGBUS_JSON_OBJECT;
    case '[': return PLUGBUS_JSON_ARRAY;
    case '"': return PLUGBUS_JSON_STRING;
    case 't': return PLUGBUS_JSON_TRUE;
    case 'f': return PLUGBUS_JSON_FALSE;
    case 'n': return PLUGBUS_JSON_NULL;
    default: return PLUGBUS_JSON_NUMBER;
    }
}

static plugbus_json value_at(const char *p, const char *end) {
    plugbus_json value = {kind_of(*p), {p, (size_t)(skip_value(p, end) - p)}};
    return value;
}

static const plugbus_json none = {PLUGBUS_JSON_NONE, {NULL, 0}};

bool plugbus_json_parse(plugbus_str text, plugbus_json *root) {
    const char *end = text.ptr + text.len;
    const char *bad = text.ptr;
    const char *begin = skip_space(text.ptr, end);
    const char *behind = text.len ? check_value(begin, end, &bad) : NULL;
    if (behind && skip_space(behind, end) != end) {
        bad = skip_space(behind, end);
        behind = NULL;
    }
    if (!behind) {
        *root = none;
        size_t at = (size_t)(bad - text.ptr);
        if (at == text.len) {
            plugbus_fail("no JSON: it ends too early, at byte %zu", at);
        } else {
            plugbus_fail("no JSON, or nested more than %d deep: wrong at byte %zu", PLUGBUS_JSON_DEPTH_MAX, at);
        }
        return false;
    }
    root->kind = kind_of(*begin);
    root->raw.ptr = begin;
    root->raw.len = (size_t)(behind - begin);
    return true;
}

bool plugbus_json_next(plugbus_json container, plugbus_json_iter *iter) {
    bool object = container.kind == PLUGBUS_JSON_OBJECT;
    if (!object && container.kind != PLUGBUS_JSON_ARRAY) return false;
    const char *end = container.raw.ptr + container.raw.len - 1; /* its closing bracket */
    const char *p = skip_space(iter->at ? iter->at : container.raw.ptr + 1, end);
    if (p < end && *p == ',') p = skip_space(p + 1, end);
    if (p >= end) return false;
    if (object) {
        iter->name = value_at(p, end);
        p = skip_space(p + iter->name.raw.len, end);
        p = skip_space(p + 1, end); /* the colon */
    } else {
        iter->name = none;
    }
    iter->value = value_at(p, end);
    iter->at = p + iter->value.raw.len;
    return true;
}

size_t plugbus_json_length(plugbus_json container) {
    plugbus_json_iter iter = {0};
    size_t length = 0;
    while (plugbus_json_next(container, &iter)) length++;
    return length;
}

static plugbus_json member(plugbus_json object, plugbus_str name) {
    plugbus_json found = none;
    plugbus_json_iter iter = {0};
    while (object.kind == PLUGBUS_JSON_OBJECT && plugbus_json_next(object, &iter)) {
        if (plugbus_json_is_text(iter.name, name)) found = iter.value;
    }
    return found;
}

plugbus_json plugbus_json_member(plugbus_json object, const char *name) { return member(object, plugbus_str_of(name)); }

static plugbus_json element(plugbus_json array, plugbus_str number) {
    size_t wanted = 0;
    for (size_t i = 0; i < number.len; i++) {
        if (!is_digit(number.ptr[i]) || wanted > SIZE_MAX / 16) return none;
        wanted = wanted * 10 + (size_t)(number.ptr[i] - '0');
    }
    plugbus_json_iter iter = {0};
    while (number.len > 0 && plugbus_json_next(array, &iter)) {
        if (wanted-- == 0) return iter.value;
    }
    return none;
}

plugbus_json plugbus_json_path(plugbus_json value, const char *path) {
    while (*path) {
        plugbus_str step = {path, strcspn(path, ".")};
        value = value.kind == PLUGBUS_JSON_ARRAY ? element(value, step) : member(value, step);
        path += step.len;
        if (*path == '.') path++;
    }
    return value;
}

/* Strings ----------------------------------------------------------------------------------------------------------- */

static uint32_t hex4(const char *p) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value = value << 4 | (uint32_t)(is_digit(p[i]) ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    }
    return value;
}

static size_t put_character(char *to, uint32_t c) {
    if (c < 0x80) return to[0] = (char)c, 1;
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((0xf00u >> length & 0xf0) | c);
    return length;
}

/* One character of a string at *p, which is moved behind it. */
static size_t read_character(const char **p, const char *end, char *to) {
    const char *at = *p;
    if (*at != '\\') return *p = at + 1, to[0] = *at, 1;
    static const char escapes[] = "b\bf\fn\nr\rt\t";
    if (at[1] != 'u') {
        const char *known = strchr(escapes, at[1]);
        return *p = at + 2, to[0] = known ? known[1] : at[1], 1;
    }
    uint32_t c = hex4(at + 2);
    *p = at + 6;
    if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        uint32_t low = hex4(*p + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *p += 6;
            return put_character(to, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
        }
    }
    return put_character(to, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
}

plugbus_str plugbus_json_text(plugbus_json string) {
    plugbus_str text = {NULL, 0};
    if (string.kind != PLUGBUS_JSON_STRING) return text;
    text.ptr = string.raw.ptr + 1;
    text.len = string.raw.len - 2;
    if (!memchr(text.ptr, '\\', text.len)) return text;
    char *made = plugbus_alloc(text.len);
    size_t len = 0;
    for (const char *p = text.ptr, *end = p + text.len; p < end;) len += read_character(&p, end, made + len);
    text.ptr = made;
    text.len = len;
    return text;
}

bool plugbus_json_is_text(plugbus_json string, plugbus_str text) {
    if (string.kind != PLUGBUS_JSON_STRING) return false;
    const char *p = string.raw.ptr + 1, *end = string.raw.ptr + string.raw.len - 1;
    if (!memchr(p, '\\', (size_t)(end - p))) {
        return (size_t)(end - p) == text.len && (text.len == 0 || memcmp(p, text.ptr, text.len) == 0);
    }
    size_t at = 0;
    while (p < end) {
        char character[4];
        size_t length = read_character(&p, end, character);
        if (text.len - at < length || memcmp(text.ptr + at, character, length) != 0) return false;
        at += length;
    }
    return at == text.len;
}

plugbus_str plugbus_json_quote(plugbus_str text) {
    static const char hex[] = "0123456789abcdef";
    text = plugbus_utf8_clean(text);
    char *made = plugbus_alloc(text.len * 6 + 2);
    size_t len = 0;
    made[len++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') {
            made[len++] = '\\';
            made[len++] = (char)c;
        } else if (c < 0x20) {
            memcpy(made + len, "\\u00", 4);
            made[len + 4] = hex[c >> 4];
            made[len + 5] = hex[c & 15];
            len += 6;
        } else {
            made[len++] = (char)c;
        }
    }
    made[len++] = '"';
    plugbus_str quoted = {made, len};
    return quoted;
}

/* Numbers ----------------------------------------------------------------------------------------------------------- */

bool plugbus_json_number(plugbus_json number, double *value) {
    if (number.kind != PLUGBUS_JSON_NUMBER) return false;
    *value = strtod(plugbus_copy(number.raw).ptr, NULL);
    return true;
}

bool plugbus_json_integer(plugbus_json number, int64_t *value) {
    if (number.kind != PLUGBUS_JSON_NUMBER) return false;
    bool negative = number.raw.ptr[0] == '-';
    uint64_t sum = 0;
    for (size_t i = negative; i < number.raw.len; i++) {
        char c = number.raw.ptr[i];
        if (!is_digit(c) || sum > (UINT64_MAX - 9) / 10) return false;
        sum = sum * 10 + (uint64_t)(c - '0');
    }
    if (sum > (uint64_t)INT64_MAX + negative) return false;
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}
