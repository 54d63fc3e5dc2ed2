/* The conformance suite's guest in C: see ../README.md. */
#include <plugbus.h>

static plugbus_status publish_json(const char *topic, plugbus_str json) { return plugbus_publish(topic, PLUGBUS_JSON, json); }

/* Publishes, or rejects with what the host said. */
static plugbus_result publish(const char *topic, const char *content_type, plugbus_str data) {
    return plugbus_publish(topic, content_type, data) == PLUGBUS_OK ? plugbus_ack() : plugbus_reject_error();
}

static plugbus_result good(const plugbus_event *event) {
    plugbus_json data;
    if (!plugbus_event_json(event, &data)) return plugbus_reject_error();
    if (data.kind != PLUGBUS_JSON_OBJECT) return plugbus_reject("c.good: the JSON is no object");
    plugbus_str members = {data.raw.ptr + 1, data.raw.len - 2};
    const char *comma = plugbus_json_length(data) > 0 ? "," : "";
    return publish("out.good", PLUGBUS_JSON, plugbus_printf("{" PLUGBUS_FMT "%s\"by\":\"c\"}", PLUGBUS_ARG(members), comma));
}

static plugbus_result retry(const plugbus_event *event) {
    if (event->attempt == 1) {
        publish_json("out.retry", plugbus_str_of("{\"lost\":true}"));
        return plugbus_retry(10, "not yet");
    }
    return publish("out.retry", PLUGBUS_JSON, plugbus_printf("{\"attempt\":%u}", (unsigned)event->attempt));
}

static plugbus_result denied(void) {
    if (publish_json("elsewhere.topic", plugbus_str_of("{}")) != PLUGBUS_DENIED) return plugbus_reject("it was not denied");
    return publish("out.denied", PLUGBUS_JSON, plugbus_str_of("{\"error\":\"denied\"}"));
}

static plugbus_result limit(void) {
    for (unsigned i = 0;; i++) {
        plugbus_status status = publish_json("out.limit", plugbus_printf("{\"i\":%u}", i));
        if (status == PLUGBUS_OVER_LIMIT) return plugbus_reject("refused after %u: over-limit", i);
        if (status != PLUGBUS_OK) return plugbus_reject_error();
    }
}

static plugbus_result request(const plugbus_event *event) {
    plugbus_json data;
    if (!plugbus_event_json(event, &data)) return plugbus_reject_error();
    return plugbus_reply(PLUGBUS_JSON, plugbus_printf("{\"got\":" PLUGBUS_FMT "}", PLUGBUS_ARG(data.raw)));
}

static plugbus_result config(void) {
    plugbus_json table;
    if (!plugbus_json_parse(plugbus_config(), &table)) return plugbus_reject_error();
    plugbus_json greeting = plugbus_json_member(table, "greeting");
    plugbus_str raw = greeting.kind == PLUGBUS_JSON_NONE ? plugbus_str_of("null") : greeting.raw;
    return publish("out.config", PLUGBUS_JSON, plugbus_printf("{\"greeting\":" PLUGBUS_FMT "}", PLUGBUS_ARG(raw)));
}

static plugbus_result large(const plugbus_event *event) {
    plugbus_json data;
    if (!plugbus_event_json(event, &data)) return plugbus_reject_error();
    size_t items = plugbus_json_length(plugbus_json_member(data, "items"));
    return publish("out.large", PLUGBUS_JSON, plugbus_printf("{\"items\":%zu,\"bytes\":%zu}", items, event->data.len));
}

static plugbus_result binary(const plugbus_event *event) {
    char *reversed = plugbus_alloc(event->data.len);
    for (size_t i = 0; i < event->data.len; i++) reversed[i] = event->data.ptr[event->data.len - 1 - i];
    plugbus_str data = {reversed, event->data.len};
    return publish("out.binary", PLUGBUS_BYTES, data);
}

static plugbus_result count(const plugbus_event *event) {
    plugbus_json data;
    if (!plugbus_event_json(event, &data)) return plugbus_reject_error();
    plugbus_json n = plugbus_json_member(data, "n");
    if (n.kind == PLUGBUS_JSON_NONE) return plugbus_reject("c.count: `n` is missing");
    return publish("out.count", PLUGBUS_JSON, plugbus_printf("{\"n\":" PLUGBUS_FMT "}", PLUGBUS_ARG(n.raw)));
}

const char *plugbus_init(plugbus_str config) {
    (void)config;
    plugbus_listen("c.>");
    return NULL;
}

plugbus_result plugbus_handle(const plugbus_event *event) {
    plugbus_str topic = event->topic;
    if (plugbus_str_is(topic, "c.good")) return good(event);
    if (plugbus_str_is(topic, "c.retry")) return retry(event);
    if (plugbus_str_is(topic, "c.reject")) return plugbus_reject("no thanks");
    if (plugbus_str_is(topic, "c.exception")) return plugbus_reject("boom");
    if (plugbus_str_is(topic, "c.denied")) return denied();
    if (plugbus_str_is(topic, "c.limit")) return limit();
    if (plugbus_str_is(topic, "c.request")) return request(event);
    if (plugbus_str_is(topic, "c.config")) return config();
    if (plugbus_str_is(topic, "c.unicode")) return publish("out.unicode", PLUGBUS_TEXT, event->data);
    if (plugbus_str_is(topic, "c.empty")) return publish("out.empty", PLUGBUS_JSON, plugbus_printf("{\"bytes\":%zu}", event->data.len));
    if (plugbus_str_is(topic, "c.large")) return large(event);
    if (plugbus_str_is(topic, "c.binary")) return binary(event);
    if (plugbus_str_is(topic, "c.count")) return count(event);
    if (plugbus_str_is(topic, "c.log")) plugbus_log(PLUGBUS_INFO, "hello from c");
    return plugbus_ack();
}
