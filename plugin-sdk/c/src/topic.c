#include "plugbus.h"

bool plugbus_topic_matches(const char *filter, plugbus_str topic) {
    const char *at = topic.ptr, *end = topic.ptr + topic.len;
    bool host = topic.len >= 7 && memcmp(topic.ptr, "plugbus", 7) == 0 && (topic.len == 7 || topic.ptr[7] == '.');
    if (host && (*filter == '*' || *filter == '>')) return false;
    for (;;) {
        size_t wanted = strcspn(filter, ".");
        const char *dot = memchr(at, '.', (size_t)(end - at));
        size_t found = (size_t)((dot ? dot : end) - at);
        if (wanted == 1 && *filter == '>') return true;
        if (!(wanted == 1 && *filter == '*') && (wanted != found || memcmp(filter, at, found) != 0)) return false;
        if (!filter[wanted] || !dot) return !filter[wanted] && !dot;
        filter += wanted + 1;
        at = dot + 1;
    }
}
