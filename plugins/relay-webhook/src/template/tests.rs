use serde_json::json;

use super::*;

const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","time":"1970-01-01T00:00:01Z","session":"x",
    "datacontenttype":"application/json","data":{"user":{"name":"Ada \"L\"\n<é>"},"n":3,"list":[1,null],"nothing":null}}"#;

fn rendered(place: Place, source: &str) -> Result<String, String> {
    let mut templates = Templates::new(false);
    let text = templates.add("template.body", place, source)?;
    templates.render(&text, &fields(EVENT).unwrap())
}

#[test]
fn fields_of_the_event_stand_where_the_template_names_them() {
    let table = [
        ("{{ topic }} {{ id }} {{ source }} {{ time }}", "a.b 1 s 1970-01-01T00:00:01Z"),
        ("{{ data.user.name | upper }}", "ADA \"L\"\n<É>"),
        ("{{ data.n + 1 }} {{ data.list }} {{ data.list | json }}", "4 [1,null] [1,null]"),
        ("{{ data.nothing }}|{{ data.missing | default('-') }}|{{ subject | default('-') }}", "|-|-"),
        ("{{ extensions.session }} {{ content_type }}", "x application/json"),
        ("{% for item in data.list %}{{ loop.index }}{% endfor %}{% if subject %}!{% endif %}", "12"),
        ("{% if data.missing is defined %}y{% else %}n{% endif %}", "n"),
        ("no template", "no template"),
    ];
    for (source, expected) in table {
        assert_eq!(rendered(Place::Text, source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn text_of_an_event_stays_text_in_json_and_in_a_url() {
    let body = rendered(
        Place::Json,
        r#"{"text": "Hello {{ data.user.name }}!", "n": {{ data.n }}, "all": {{ data | json }}}"#,
    );
    let body: serde_json::Value = serde_json::from_str(&body.unwrap()).unwrap();
    assert_eq!((&body["text"], &body["n"]), (&json!("Hello Ada \"L\"\n<é>!"), &json!(3)));
    assert_eq!(body["all"]["user"]["name"], "Ada \"L\"\n<é>");
    let null = rendered(Place::Json, r#"{"n": {{ data.nothing }}}"#);
    assert_eq!(null.as_deref(), Ok(r#"{"n": null}"#));
    let url = rendered(Place::Url, "https://h/{{ topic }}?name={{ data.user.name }}&l={{ data.list }}");
    assert_eq!(url.as_deref(), Ok("https://h/a.b?name=Ada%20%22L%22%0A%3C%C3%A9%3E&l=%5B1%2Cnull%5D"));
    // What a block has put together is escaped once.
    let set = rendered(Place::Json, r#"{% set name %}{{ data.user.name }}{% endset %}{"a": "{{ name }}"}"#);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&set.unwrap()).unwrap(), json!({ "a": "Ada \"L\"\n<é>" }));
}

#[test]
fn a_wrong_template_is_refused_with_key_and_line_before_any_event() {
    let table = [
        ("\n{{ topic", "key `template.body` line 2: syntax error: "),
        ("{{ topic | shout }}", "key `template.body` line 1: unknown filter: "),
        ("{% include 'x' %}", "key `template.body` line 1: syntax error: "),
        (
            "{{ topik }}",
            "key `template.body`: there is no field `topik`; there are id, source, topic, subject, time, content_type, data, data_base64, extensions",
        ),
    ];
    for (source, expected) in table {
        let found = Templates::new(false).add("template.body", Place::Text, source).map(|_| ()).unwrap_err();
        assert!(found.starts_with(expected), "{found}");
    }
    let long = format!("{{{{ topic }}}}{}", "x".repeat(TEMPLATE_BYTES_MAX));
    assert!(Templates::new(false).add("k", Place::Text, &long).unwrap_err().contains("at most 65536 are allowed"));
}

#[test]
fn what_an_event_makes_of_a_template_has_its_bounds() {
    let table = [
        (Place::Text, "{{ data.user.nme.x }}", "line 1: undefined value"),
        (Place::Text, "\n\n{{ data.user.nme }}", "line 3: undefined value"),
        (Place::Text, "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}", "fuel"),
        (Place::Url, "{% for i in range(9000) %}{{ i }}{% endfor %}", "over 8192 bytes"),
        (Place::Json, r#"{"n": {{ topic }}}"#, "what the template gives is no JSON: expected value at line 1 column 7"),
    ];
    for (place, source, expected) in table {
        let found = rendered(place, source).unwrap_err();
        assert!(found.starts_with("key `template.body`") && found.contains(expected), "{found}");
    }
}

#[test]
fn a_batch_is_seen_as_its_events() {
    let mut templates = Templates::new(true);
    let text = templates.add(
        "k",
        Place::Json,
        r#"[{% for event in events %}"{{ event.topic }}"{% if not loop.last %}, {% endif %}{% endfor %}]"#,
    );
    let events = batch_fields(&[EVENT.to_owned(), EVENT.to_owned()]).unwrap();
    assert_eq!(templates.render(&text.unwrap(), &events).as_deref(), Ok(r#"["a.b", "a.b"]"#));
    assert!(templates.add("k", Place::Json, "{{ topic }}").unwrap_err().ends_with("there are events"));
}

#[test]
fn a_content_type_says_whether_a_body_is_json() {
    for (media, place) in [
        ("application/json", Place::Json),
        ("Application/Problem+JSON; charset=utf-8", Place::Json),
        ("text/plain", Place::Text),
        ("", Place::Text),
    ] {
        assert_eq!(Place::of_body(media), place, "{media}");
    }
}
