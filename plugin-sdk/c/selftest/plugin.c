/* A plugin that does what its test wants to see: `python build.py selftest --test`. */
#include <plugbus.h>
#include <plugbus_http.h>
#include <plugbus_kv.h>

static plugbus_result store(const plugbus_event *event) {
    if (plugbus_str_is(event->topic, "store.large")) {
        char *large = plugbus_alloc(65537);
        memset(large, 'x', 65537);
        plugbus_str value = {large, 65537};
        if (!plugbus_kv_set("b", plugbus_str_of("k"), value)) return plugbus_retry_error();
    }
    if (plugbus_str_is(event->topic, "store.keys")) {
        static const char *const names[] = {"b", "a", "c"};
        for (size_t i = 0; i < 3; i++) {
            plugbus_str key = plugbus_str_of(names[i]);
            if (!plugbus_kv_set("", key, plugbus_printf("of " PLUGBUS_FMT, PLUGBUS_ARG(key)))) return plugbus_retry_error();
        }
        const plugbus_str *keys;
        size_t len;
        plugbus_str text = plugbus_str_of(""), value;
        if (!plugbus_kv_delete("", plugbus_str_of("c")) || !plugbus_kv_keys("", &keys, &len)) return plugbus_retry_error();
        for (size_t i = 0; i < len; i++) {
            if (!plugbus_kv_get("", keys[i], &value) || !value.ptr) return plugbus_reject_error();
            text = plugbus_printf(PLUGBUS_FMT PLUGBUS_FMT ",", PLUGBUS_ARG(text), PLUGBUS_ARG(keys[i]));
        }
        return plugbus_reply(PLUGBUS_TEXT, text);
    }
    uint64_t sum;
    if (!plugbus_kv_increment("counts", plugbus_str_of("n"), 1, &sum)) return plugbus_retry_error();
    return plugbus_str_is(event->topic, "store.count") ? plugbus_ack() : plugbus_reject("as it was asked to");
}

/* Sends the data, if there is any, to the URL in the subject, as often as it is asked to. */
static plugbus_result http(const plugbus_event *event) {
    plugbus_http_header header = {plugbus_str_of("X-Of"), plugbus_event_extension(event, "of")};
    plugbus_http_request request = {.url = event->subject, .headers = &header, .headers_len = header.value.ptr != NULL, .body = event->data};
    if (event->data.len) request.method = "POST";
    if (plugbus_str_is(event->topic, "http.little")) request.response_bytes_max = 3;
    int times = plugbus_str_is(event->topic, "http.often") ? 33 : 1;
    plugbus_http_response answer;
    for (int i = 0; i < times; i++) {
        plugbus_http_code code = plugbus_http_send(&request, &answer);
        if (code != PLUGBUS_HTTP_OK) return plugbus_http_failed(code);
    }
    plugbus_str kind = plugbus_http_response_header(&answer, "content-type");
    return plugbus_reply(PLUGBUS_TEXT, plugbus_printf("%d " PLUGBUS_FMT " " PLUGBUS_FMT "%s", answer.status, PLUGBUS_ARG(kind),
                                                      PLUGBUS_ARG(answer.body), answer.is_cut ? "..." : ""));
}

const char *plugbus_init(plugbus_str config) {
    plugbus_json table;
    if (!plugbus_json_parse(config, &table)) return plugbus_error();
    if (plugbus_json_member(table, "refuse").kind == PLUGBUS_JSON_TRUE) return "config: refused";
    plugbus_listen("a.*");
    plugbus_listen("b.>");
    return NULL;
}

plugbus_result plugbus_handle(const plugbus_event *event) {
    if (plugbus_str_is(event->topic, "a.publish")) {
        plugbus_extension extension = {plugbus_str_of("k"), plugbus_event_extension(event, "k")};
        plugbus_status status = plugbus_publish_with(event->data, plugbus_str_of(PLUGBUS_TEXT), event->id, &extension, 1, NULL);
        return status == PLUGBUS_OK ? plugbus_ack() : plugbus_reject("%d: %s", (int)status, plugbus_error());
    }
    if (plugbus_str_is(event->topic, "a.retry")) {
        plugbus_publish("x", PLUGBUS_TEXT, event->data);
        plugbus_log(PLUGBUS_WARN, "again, \xff");
        return plugbus_retry(PLUGBUS_BACKOFF, "attempt %u", (unsigned)event->attempt);
    }
    if (plugbus_topic_matches("store.*", event->topic)) return store(event);
    if (plugbus_topic_matches("http.*", event->topic)) return http(event);
    plugbus_json data;
    if (!plugbus_event_json(event, &data)) return plugbus_reject_error();
    return plugbus_reply(PLUGBUS_JSON, data.raw);
}
