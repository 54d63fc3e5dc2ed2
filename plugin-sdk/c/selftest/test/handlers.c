/* What handlers can rely on. */
#include <plugbus_test.h>

static void verdicts_and_what_was_published(void) {
    PLUGBUS_CHECK(plugbus_test_start("{}") == NULL);
    plugbus_result result = plugbus_test_send("a.retry", "x");
    PLUGBUS_CHECK(result.outcome == PLUGBUS_RETRY && result.after_ms == PLUGBUS_BACKOFF && plugbus_str_is(result.text, "attempt 1"));
    PLUGBUS_CHECK(plugbus_test_published_count() == 0);
    PLUGBUS_CHECK(plugbus_test_log_count() == 1 && plugbus_str_is(plugbus_test_log(0).message, "again, \xef\xbf\xbd"));

    plugbus_extension extension = {plugbus_str_of("k"), plugbus_str_of("v")};
    plugbus_event event = plugbus_test_event_of("a.publish", plugbus_str_of("out.x"));
    event.extensions = &extension;
    event.extensions_len = 1;
    PLUGBUS_CHECK(plugbus_test_send_event(event).outcome == PLUGBUS_ACKED);
    const plugbus_test_event *out = plugbus_test_published(0);
    PLUGBUS_CHECK(plugbus_str_is(out->topic, "out.x") && plugbus_str_is(out->data, "event-1"));
    PLUGBUS_CHECK(out->extensions_len == 1 && plugbus_str_is(out->extensions[0].value, "v"));
}

static void refusals_by_kind(void) {
    PLUGBUS_CHECK(plugbus_test_start("{}") == NULL);
    plugbus_test_grant("out.>");
    PLUGBUS_CHECK(strncmp(plugbus_test_send("a.publish", "else").text.ptr, "1: publish denied", 17) == 0);
    PLUGBUS_CHECK(strncmp(plugbus_test_send("a.publish", "plugbus.x").text.ptr, "1: ", 3) == 0);
    PLUGBUS_CHECK(strncmp(plugbus_test_send("a.publish", "\xff").text.ptr, "2: ", 3) == 0);
    plugbus_test_limit(0, 100);
    PLUGBUS_CHECK(strncmp(plugbus_test_send("a.publish", "out.x").text.ptr, "3: publish over the limit", 25) == 0);
    PLUGBUS_CHECK(plugbus_test_published_count() == 0);
}

static void the_configuration_may_be_refused_and_filters_are_those_of_the_last_start(void) {
    PLUGBUS_CHECK(strcmp(plugbus_test_start("{\"refuse\":true}"), "config: refused") == 0);
    PLUGBUS_CHECK(plugbus_test_start("{}") == NULL);
    size_t count = plugbus_test_subscribes_to("a.x") + plugbus_test_subscribes_to("b.x.y");
    PLUGBUS_CHECK(count == 2 && !plugbus_test_subscribes_to("a.x.y") && !plugbus_test_subscribes_to("b"));
    PLUGBUS_CHECK(plugbus_str_is(plugbus_config(), "{}"));
}

static void data_that_is_no_json_says_so(void) {
    PLUGBUS_CHECK(plugbus_test_start("{}") == NULL);
    PLUGBUS_CHECK(plugbus_test_send("a.b", "[1]").outcome == PLUGBUS_REPLIED);
    const char *bad[] = {"", "nope", "[1", "\xff"};
    for (size_t i = 0; i < 4; i++) {
        plugbus_result result = plugbus_test_send("a.b", bad[i]);
        PLUGBUS_CHECK(result.outcome == PLUGBUS_REJECTED && strstr(result.text.ptr, "event on `a.b`: the data is no JSON"));
    }
}

static void call_memory_holds_what_is_asked_of_it(void) {
    char *large = plugbus_alloc(3 << 20);
    memset(large, 'x', 3 << 20);
    for (int i = 0; i < 10000; i++) {
        char *small = plugbus_alloc(100);
        PLUGBUS_CHECK((uintptr_t)small % _Alignof(max_align_t) == 0);
        memset(small, 'y', 100);
    }
    PLUGBUS_CHECK(large[0] == 'x' && large[(3 << 20) - 1] == 'x');
}

int main(void) {
    verdicts_and_what_was_published();
    refusals_by_kind();
    the_configuration_may_be_refused_and_filters_are_those_of_the_last_start();
    data_that_is_no_json_says_so();
    call_memory_holds_what_is_asked_of_it();
    return 0;
}
