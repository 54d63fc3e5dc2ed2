/* What the parts of the host for tests tell each other. */
#ifndef PLUGBUS_TEST_PARTS_H
#define PLUGBUS_TEST_PARTS_H

#include "plugbus.h"

/* A copy that is never freed, with a NUL at its end: tests are short. */
plugbus_str plugbus_test_keep(plugbus_str text);

/* The store is empty again. */
void plugbus_test_kv_clear(void);
/* A handler begins; it ends with an ack, or otherwise. */
void plugbus_test_kv_begin(void);
void plugbus_test_kv_end(bool acked);

/* No origin is granted, nobody answers and nothing was sent. */
void plugbus_test_http_clear(void);
/* A handler begins: it may send as many requests as any. */
void plugbus_test_http_begin(void);

#endif
