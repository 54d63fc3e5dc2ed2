#include "utf8.h"

static bool is_tail(unsigned char byte, unsigned char low, unsigned char high) { return byte >= low && byte <= high; }

size_t plugbus_utf8_length(const char *at, size_t rest) {
    const unsigned char *p = (const unsigned char *)at;
    if (rest == 0) return 0;
    if (p[0] < 0x80) return 1;
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || rest < length) return 0;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (!is_tail(p[1], low, high)) return 0;
    for (size_t i = 2; i < length; i++) {
        if (!is_tail(p[i], 0x80, 0xbf)) return 0;
    }
    return length;
}

/* Where the first wrong byte is; the length of the text where there is none. */
static size_t wrong_at(plugbus_str text) {
    size_t at = 0;
    while (at < text.len) {
        size_t length = plugbus_utf8_length(text.ptr + at, text.len - at);
        if (length == 0) break;
        at += length;
    }
    return at;
}

bool plugbus_utf8_is_valid(plugbus_str text) { return wrong_at(text) == text.len; }

plugbus_str plugbus_utf8_clean(plugbus_str text) {
    size_t at = wrong_at(text);
    if (at == text.len) return text;
    char *clean = plugbus_alloc(text.len * 3);
    size_t len = 0;
    for (at = 0; at < text.len;) {
        size_t length = plugbus_utf8_length(text.ptr + at, text.len - at);
        memcpy(clean + len, length ? text.ptr + at : "\xef\xbf\xbd", length ? length : 3);
        len += length ? length : 3;
        at += length ? length : 1;
    }
    plugbus_str made = {clean, len};
    return made;
}
