/* UTF-8: what crosses the sandbox's border as text must be valid, or the host cuts the call off. */
#ifndef PLUGBUS_UTF8_H
#define PLUGBUS_UTF8_H

#include "plugbus.h"

/* Bytes of the valid character that begins at `at`, at most 4; 0 where none does. */
size_t plugbus_utf8_length(const char *at, size_t rest);
bool plugbus_utf8_is_valid(plugbus_str text);
/* The text, or a copy in call memory in which each byte that is wrong is U+FFFD. */
plugbus_str plugbus_utf8_clean(plugbus_str text);

#endif
