/* A plugin that does what its test wants to see: `python build.py selftest --test`. */
#include <plugbus.h>

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
    plugbus_json data;
    if (!plugbus_event_json(event, &data)) return plugbus_reject_error();
    return plugbus_reply(PLUGBUS_JSON, data.raw);
}
