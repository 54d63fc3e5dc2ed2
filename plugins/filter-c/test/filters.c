/* The rules, on events. */
#include <plugbus_test.h>

#define CONFIG(rules) "{\"filters\":[\"in.>\"],\"rule\":[" rules "]}"
#define WHERE(condition) CONFIG("{\"name\":\"r\",\"to\":\"out\",\"where\":[" condition "]}")

/* How many events a configuration makes of one. */
static size_t forwarded(const char *config, const char *topic, const char *data) {
    const char *error = plugbus_test_start(config);
    if (error) fprintf(stderr, "%s\n", error);
    PLUGBUS_CHECK(error == NULL);
    PLUGBUS_CHECK(plugbus_test_send(topic, data).outcome == PLUGBUS_ACKED);
    return plugbus_test_published_count();
}

static void each_test_has_its_meaning(void) {
    static const struct {
        const char *config, *yes, *no;
    } table[] = {
        {WHERE("{\"field\":\"a\",\"equals\":\"x\"}"), "{\"a\":\"\\u0078\"}", "{\"a\":\"xx\"}"},
        {WHERE("{\"field\":\"a\",\"equals\":1.0}"), "{\"a\":1}", "{\"a\":\"1\"}"},
        {WHERE("{\"field\":\"a\",\"equals\":true}"), "{\"a\":true}", "{\"a\":false}"},
        {WHERE("{\"field\":\"a.0.b\",\"one_of\":[1,\"x\"]}"), "{\"a\":[{\"b\":\"x\"}]}", "{\"a\":[{\"b\":\"y\"}]}"},
        {WHERE("{\"field\":\"a\",\"contains\":\"rm -rf\"}"), "{\"a\":\"sudo rm -rf /\"}", "{\"a\":\"rm -r f\"}"},
        {WHERE("{\"field\":\"a\",\"starts_with\":\"x\"}"), "{\"a\":\"xy\"}", "{\"a\":\"yx\"}"},
        {WHERE("{\"field\":\"a\",\"ends_with\":\"x\"}"), "{\"a\":\"yx\"}", "{\"a\":\"xy\"}"},
        {WHERE("{\"field\":\"a\",\"over\":10}"), "{\"a\":10.5}", "{\"a\":10}"},
        {WHERE("{\"field\":\"a\",\"under\":-1}"), "{\"a\":-2}", "{\"a\":\"-2\"}"},
        {WHERE("{\"field\":\"a\",\"exists\":true}"), "{\"a\":null}", "{}"},
        {WHERE("{\"field\":\"a\",\"exists\":false}"), "no JSON", "{\"a\":1}"},
        {WHERE("{\"field\":\"a\",\"equals\":\"x\",\"not\":true}"), "{}", "{\"a\":\"x\"}"},
        {WHERE("{\"field\":\"a\",\"exists\":true},{\"field\":\"b\",\"exists\":true}"), "{\"a\":1,\"b\":1}", "{\"a\":1}"},
        {CONFIG("{\"name\":\"r\",\"to\":\"out\",\"match\":\"any\",\"where\":[{\"field\":\"a\",\"over\":1},{\"field\":\"b\",\"over\":1}]}"), "{\"b\":2}", "{\"b\":1}"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (forwarded(table[i].config, "in.x", table[i].yes) != 1 || forwarded(table[i].config, "in.x", table[i].no) != 0) {
            fprintf(stderr, "row %zu: %s\n", i, table[i].config);
            exit(1);
        }
    }
}

static void what_matches_goes_on_as_it_is_with_the_rule_that_did_it(void) {
    const char *two = CONFIG("{\"name\":\"one\",\"topic\":\"in.*\",\"to\":\"out.1\"},{\"name\":\"two\",\"topic\":\"in.x.>\",\"to\":\"out.2\"}");
    PLUGBUS_CHECK(forwarded(two, "in.x.y", "{}") == 1);
    PLUGBUS_CHECK(plugbus_str_is(plugbus_test_published(0)->topic, "out.2"));
    PLUGBUS_CHECK(plugbus_test_start(two) == NULL);
    plugbus_extension given[] = {{plugbus_str_of("k"), plugbus_str_of("v")}, {plugbus_str_of("rule"), plugbus_str_of("old")}};
    plugbus_event event = plugbus_test_event_of("in.x", plugbus_str_of("\xff no JSON"));
    event.extensions = given;
    event.extensions_len = 2;
    PLUGBUS_CHECK(plugbus_test_send_event(event).outcome == PLUGBUS_ACKED && plugbus_test_published_count() == 1);
    const plugbus_test_event *out = plugbus_test_published(0);
    PLUGBUS_CHECK(plugbus_str_is(out->data, "\xff no JSON") && plugbus_str_is(out->content_type, PLUGBUS_JSON));
    PLUGBUS_CHECK(out->extensions_len == 2 && plugbus_str_is(out->extensions[0].value, "v") && plugbus_str_is(out->extensions[1].value, "one"));
}

static void a_refused_publish_rejects(void) {
    PLUGBUS_CHECK(plugbus_test_start(CONFIG("{\"name\":\"r\",\"to\":\"out\"}")) == NULL);
    plugbus_test_grant("alert.>");
    plugbus_result result = plugbus_test_send("in.x", "{}");
    PLUGBUS_CHECK(result.outcome == PLUGBUS_REJECTED && strstr(result.text.ptr, "denied"));
}

static void a_wrong_configuration_is_refused_in_words(void) {
    static const struct {
        const char *config, *expected;
    } table[] = {
        {"{}", "1 to 64 tables"},
        {"{\"rules\":[]}", "unknown key `rules`"},
        {"{\"rule\":[{\"name\":\"r\",\"to\":\"out\"}]}", "`filters` is an array"},
        {CONFIG("{\"name\":\"r\"}"), "rule 1: `to` is missing"},
        {CONFIG("{\"name\":\"r\",\"to\":\"out\"},{\"to\":\"out\"}"), "rule 2: `name` is missing"},
        {CONFIG("{\"name\":\"r\",\"to\":\"in.out\"}"), "comes back in"},
        {CONFIG("{\"name\":\"r\",\"to\":\"out\",\"match\":\"some\"}"), "`match` is"},
        {CONFIG("{\"name\":\"r\",\"to\":\"out\",\"when\":1}"), "unknown key `when`"},
        {WHERE("{\"field\":\"a\"}"), "wants one of"},
        {WHERE("{\"equals\":1}"), "wants `field`"},
        {WHERE("{\"field\":\"a\",\"equals\":1,\"over\":1}"), "one test"},
        {WHERE("{\"field\":\"a\",\"over\":\"1\"}"), "want a number"},
        {WHERE("{\"field\":\"a\",\"like\":1}"), "unknown key `like` in a condition"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *error = plugbus_test_start(table[i].config);
        if (!error || !strstr(error, table[i].expected)) {
            fprintf(stderr, "%s: `%s`, not `%s`\n", table[i].config, error ? error : "accepted", table[i].expected);
            exit(1);
        }
    }
}

int main(void) {
    each_test_has_its_meaning();
    what_matches_goes_on_as_it_is_with_the_rule_that_did_it();
    a_refused_publish_rejects();
    a_wrong_configuration_is_refused_in_words();
    return 0;
}
