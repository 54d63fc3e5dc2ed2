/* Reading JSON. */
#include <plugbus_test.h>

static plugbus_json parse(const char *text) {
    plugbus_json root;
    PLUGBUS_CHECK(plugbus_json_parse(plugbus_str_of(text), &root));
    return root;
}

static void what_is_json_and_what_is_not(void) {
    const char *good[] = {"null", " true ", "-0.5e+10", "0", "[]", "{}", "[[],{}]", "\"\\u00e4\\n\"", "{\"a\":[1,{\"b\":null}]}", "\t[1 ,2 ]\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) parse(good[i]);
    const char *bad[] = {"", " ", "nul", "01", "1.", "1e", "-", "+1", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "[1]]",
                         "\"\n\"", "\"\\x\"", "\"\\u12g4\"", "\"", "\"\\", "\"\\u12", "[", "{\"a\":1", "[1}", "{]", "NaN", "1 2", "'a'", "{\"a\":1 \"b\":2}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        plugbus_json root;
        char *exact = malloc(strlen(bad[i]) + 1); /* of its own, so that a read behind its end is seen */
        memcpy(exact, bad[i], strlen(bad[i]));
        plugbus_str text = {exact, strlen(bad[i])};
        if (plugbus_json_parse(text, &root)) {
            fprintf(stderr, "taken for JSON: %s\n", bad[i]);
            exit(1);
        }
        PLUGBUS_CHECK(root.kind == PLUGBUS_JSON_NONE && strstr(plugbus_error(), "no JSON"));
        free(exact);
    }
}

static void depth_is_bounded(void) {
    static char text[PLUGBUS_JSON_DEPTH_MAX * 2 + 2];
    plugbus_json root;
    for (int extra = 0; extra < 2; extra++) {
        size_t depth = PLUGBUS_JSON_DEPTH_MAX + extra;
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        plugbus_str view = {text, depth * 2};
        PLUGBUS_CHECK(plugbus_json_parse(view, &root) == !extra);
    }
}

static void members_and_elements_are_found(void) {
    plugbus_json root = parse("{\"a\":{\"b\":[10,{\"c\":\"x\"}]},\"d\\u0065\":true,\"dup\":1,\"dup\":2,\"s\":\"}]\\\"\"}");
    int64_t number;
    PLUGBUS_CHECK(plugbus_json_is_text(plugbus_json_path(root, "a.b.1.c"), plugbus_str_of("x")));
    PLUGBUS_CHECK(plugbus_json_integer(plugbus_json_path(root, "a.b.0"), &number) && number == 10);
    PLUGBUS_CHECK(plugbus_json_member(root, "de").kind == PLUGBUS_JSON_TRUE);
    PLUGBUS_CHECK(plugbus_json_integer(plugbus_json_member(root, "dup"), &number) && number == 2);
    PLUGBUS_CHECK(plugbus_json_length(root) == 5);
    PLUGBUS_CHECK(plugbus_json_length(plugbus_json_path(root, "a.b")) == 2);
    const char *missing[] = {"x", "a.x", "a.b.2", "a.b.x", "a.b.0.c", "s.x", "a.b.18446744073709551617"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        PLUGBUS_CHECK(plugbus_json_path(root, missing[i]).kind == PLUGBUS_JSON_NONE);
    }
    PLUGBUS_CHECK(plugbus_str_is(plugbus_json_text(plugbus_json_member(root, "s")), "}]\""));
}

static void strings_are_read_and_written(void) {
    plugbus_json text = parse("\"\\ud83c\\udf4c \\ud800 \\u00df\\/\\b\"");
    PLUGBUS_CHECK(plugbus_str_is(plugbus_json_text(text), "\xf0\x9f\x8d\x8c \xef\xbf\xbd \xc3\x9f/\b"));
    PLUGBUS_CHECK(plugbus_json_is_text(text, plugbus_json_text(text)));
    PLUGBUS_CHECK(!plugbus_json_is_text(text, plugbus_str_of("\xf0\x9f\x8d\x8c")));
    PLUGBUS_CHECK(plugbus_str_is(plugbus_json_quote(plugbus_str_of("a\"\\\n\xff")), "\"a\\\"\\\\\\u000a\xef\xbf\xbd\""));
    PLUGBUS_CHECK(plugbus_json_text(parse("1")).ptr == NULL);
}

static void numbers_have_their_bounds(void) {
    int64_t whole;
    double number;
    PLUGBUS_CHECK(plugbus_json_integer(parse("-9223372036854775808"), &whole) && whole == INT64_MIN);
    PLUGBUS_CHECK(plugbus_json_integer(parse("9223372036854775807"), &whole) && whole == INT64_MAX);
    PLUGBUS_CHECK(!plugbus_json_integer(parse("9223372036854775808"), &whole));
    PLUGBUS_CHECK(!plugbus_json_integer(parse("99999999999999999999999"), &whole));
    PLUGBUS_CHECK(!plugbus_json_integer(parse("1.0"), &whole) && !plugbus_json_integer(parse("\"1\""), &whole));
    PLUGBUS_CHECK(plugbus_json_number(parse("-2.5e1"), &number) && number == -25.0);
}

int main(void) {
    what_is_json_and_what_is_not();
    depth_is_bounded();
    members_and_elements_are_found();
    strings_are_read_and_written();
    numbers_have_their_bounds();
    return 0;
}
