/* The rules of filter-c: read from the configuration once, then asked for each event. */
#ifndef RULES_H
#define RULES_H

#include <plugbus.h>

#define RULES_MAX 64
#define CONDITIONS_MAX 32

typedef enum test_kind { EQUALS, CONTAINS, STARTS_WITH, ENDS_WITH, ONE_OF, OVER, UNDER, EXISTS } test_kind;

/* One field and what is asked of it. */
typedef struct condition {
    const char *field; /* A path: tool_input.command, items.0.id */
    test_kind kind;
    plugbus_json value; /* Of `equals` and `one_of`: a value of the configuration. */
    plugbus_str text;   /* Of the tests of text. */
    double number;      /* Of `over` and `under`. */
    bool negated;
} condition;

typedef struct rule {
    const char *name;
    const char *topic; /* A filter; NULL for every topic that comes. */
    const char *to;
    bool any; /* One condition is enough. */
    condition *conditions;
    size_t conditions_len;
} rule;

typedef struct rules {
    rule list[RULES_MAX];
    size_t len;
} rules;

/* Reads `[[config.rule]]`. NULL, or what is wrong and where, in call memory. What it makes lives as long as the configuration. */
const char *rules_read(plugbus_json config, rules *made);

/* Whether a rule matches. `data` is PLUGBUS_JSON_NONE where the event has no JSON; then no field is there. */
bool rule_matches(const rule *rule, plugbus_str topic, plugbus_json data);

#endif
