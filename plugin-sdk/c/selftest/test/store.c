/* The store: what is committed and what is not, and its bounds. The plugin of this folder answers to store.* so. */
#include <plugbus_kv.h>
#include <plugbus_test.h>

static bool is_stored(const char *bucket, const char *key, const char *value) {
    plugbus_str stored = plugbus_test_stored(bucket, key);
    return stored.ptr && plugbus_str_is(stored, value);
}

int main(void) {
    plugbus_str value;
    PLUGBUS_CHECK(plugbus_test_start("{}") == NULL);
    PLUGBUS_CHECK(!plugbus_kv_get("b", plugbus_str_of("k"), &value) && strstr(plugbus_error(), "in `init`"));

    PLUGBUS_CHECK(plugbus_test_send("store.count", "").outcome == PLUGBUS_ACKED);
    PLUGBUS_CHECK(plugbus_test_send("store.count-and-fail", "").outcome == PLUGBUS_REJECTED);
    PLUGBUS_CHECK(plugbus_test_send("store.count", "").outcome == PLUGBUS_ACKED);
    PLUGBUS_CHECK(is_stored("counts", "n", "2"));
    PLUGBUS_CHECK(plugbus_test_stored("", "n").ptr == NULL);

    PLUGBUS_CHECK(plugbus_test_send("store.keys", "").outcome == PLUGBUS_REPLIED);
    PLUGBUS_CHECK(plugbus_str_is(plugbus_test_send("store.keys", "").text, "a,b,"));
    PLUGBUS_CHECK(is_stored("default", "a", "of a") && plugbus_test_stored("", "c").ptr == NULL);

    plugbus_result refused = plugbus_test_send("store.large", "");
    PLUGBUS_CHECK(refused.outcome == PLUGBUS_RETRY && refused.after_ms == PLUGBUS_BACKOFF);
    PLUGBUS_CHECK(strstr(refused.text.ptr, "65537 bytes"));
    PLUGBUS_CHECK(plugbus_test_start("{}") == NULL && plugbus_test_stored("counts", "n").ptr == NULL);
    return 0;
}
