/* Reading JSON without building anything: values are places in the text. For more than reading fields (changing a document, say)
 * take a library: yyjson and cJSON build with this toolchain as they are; put their files beside the plugin's.
 *
 *     plugbus_json root;
 *     if (!plugbus_json_parse(text, &root)) return plugbus_reject_error();
 *     plugbus_json name = plugbus_json_path(root, "tool_input.file_path");
 *     if (name.kind == PLUGBUS_JSON_STRING) ... plugbus_json_text(name) ...
 *
 * Values point into the text that was parsed, and are good for as long as it is.
 */
#ifndef PLUGBUS_JSON_H
#define PLUGBUS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Text: a pointer and a length in bytes, without a NUL at its end. */
typedef struct plugbus_str {
    const char *ptr;
    size_t len;
} plugbus_str;

/* Deepest nesting that is read. */
#define PLUGBUS_JSON_DEPTH_MAX 512

typedef enum plugbus_json_kind {
    PLUGBUS_JSON_NONE, /* There is no such value. */
    PLUGBUS_JSON_NULL,
    PLUGBUS_JSON_FALSE,
    PLUGBUS_JSON_TRUE,
    PLUGBUS_JSON_NUMBER,
    PLUGBUS_JSON_STRING,
    PLUGBUS_JSON_ARRAY,
    PLUGBUS_JSON_OBJECT,
} plugbus_json_kind;

/* One value: what it is, and its text in the document, quotes and brackets included. */
typedef struct plugbus_json {
    plugbus_json_kind kind;
    plugbus_str raw;
} plugbus_json;

/* Checks a whole document (RFC 8259; it must be UTF-8 already) and gives its value. False, with plugbus_error naming the byte, where it
 * is none. Everything below wants values that come from here. */
bool plugbus_json_parse(plugbus_str text, plugbus_json *root);

/* A member of an object; of several with one name the last, as most parsers have it. PLUGBUS_JSON_NONE where there is none, and
 * where the value is no object. */
plugbus_json plugbus_json_member(plugbus_json object, const char *name);

/* A value deeper down: names of members and numbers of elements with dots between them, "items.0.id". */
plugbus_json plugbus_json_path(plugbus_json value, const char *path);

/* Members of an object, or elements of an array. */
size_t plugbus_json_length(plugbus_json container);

/* One after the other: begin with `{0}`, go on while it is true. `name` is the member's name as a string value. */
typedef struct plugbus_json_iter {
    const char *at;
    plugbus_json name;
    plugbus_json value;
} plugbus_json_iter;
bool plugbus_json_next(plugbus_json container, plugbus_json_iter *iter);

/* The text of a string, escapes resolved; half a surrogate pair becomes U+FFFD. ptr is NULL where the value is no string. */
plugbus_str plugbus_json_text(plugbus_json string);

/* Whether a string is this text, without making a copy. */
bool plugbus_json_is_text(plugbus_json string, plugbus_str text);

/* The value of a number. False where it is none or, for the second, no whole number of 64 bits written without point and exponent. */
bool plugbus_json_number(plugbus_json number, double *value);
bool plugbus_json_integer(plugbus_json number, int64_t *value);

/* Text as a JSON string, with its quotes. What is no UTF-8 becomes U+FFFD. */
plugbus_str plugbus_json_quote(plugbus_str text);

#ifdef __cplusplus
}
#endif

#endif
