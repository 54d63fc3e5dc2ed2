/* What plugbus_test.c tells the store under test. */
#ifndef PLUGBUS_TEST_KV_H
#define PLUGBUS_TEST_KV_H

#include <stdbool.h>

/* The store is empty again. */
void plugbus_test_kv_clear(void);
/* A handler begins; it ends with an ack, or otherwise. */
void plugbus_test_kv_begin(void);
void plugbus_test_kv_end(bool acked);

#endif
