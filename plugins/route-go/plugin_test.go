package main

import (
	"strings"
	"testing"

	"plugbus"
	"plugbus/plugbustest"
)

type table = map[string]any

func configured(routes ...table) table {
	return table{"filters": []string{"orders.>"}, "route": routes, "default": "routed.rest"}
}

func host(t *testing.T, config table) *plugbustest.Host {
	return plugbustest.New(t, plugbus.Registered(), config)
}

func TestTheFirstRouteThatHoldsTakesTheEvent(t *testing.T) {
	config := configured(
		table{"name": "large", "topic": "orders.*", "to": "routed.large", "when": []table{{"field": "total", "one_of": []any{1000, "1000"}}, {"field": "paid", "equals": true}}},
		table{"name": "country", "to": "routed.{topic.1}.{items.0.country}", "when": []table{{"field": "items.0.country", "matches": "^[A-Z]"}}},
	)
	rows := []struct{ topic, data, to string }{
		{"orders.new", `{"total":1000,"paid":true,"items":[{"country":"DE"}]}`, "routed.large"},
		{"orders.new", `{"total":"1000","paid":true}`, "routed.large"},
		{"orders.new", `{"total":1000,"paid":false,"items":[{"country":"DE"}]}`, "routed.new.de"},
		{"orders.new.x", `{"total":1000,"paid":true,"items":[{"country":"Costa Rica!"}]}`, "routed.new.costa-rica"},
		{"orders.new", `{"items":[]}`, "routed.rest"},
		{"orders.new", `[1,2]`, "routed.rest"},
	}
	for _, row := range rows {
		host := host(t, config)
		if _, err := host.Send(plugbustest.Event(row.topic, row.data)); err != nil {
			t.Error(row, err)
			continue
		}
		if out := host.Published; len(out) != 1 || out[0].Topic != row.to || string(out[0].Data) != row.data {
			t.Error(row, out)
		}
	}
}

func TestWhatIsRoutedKeepsItsAttributesAndNamesItsRoute(t *testing.T) {
	host := host(t, configured(table{"name": "all", "to": "routed.all"}))
	event := plugbustest.Event("orders.new", "{}")
	event.ContentType = "application/vnd.order+json"
	event.Extensions = map[string]string{"k": "v"}
	if _, err := host.Send(event); err != nil {
		t.Fatal(err)
	}
	out := host.Published[0]
	if out.ContentType != event.ContentType || out.Extensions["k"] != "v" || out.Extensions["route"] != "all" {
		t.Fatal(out)
	}
}

func TestWithoutADefaultTheRestIsDropped(t *testing.T) {
	host := host(t, table{"filters": []string{"orders.>"}})
	if _, err := host.Send(plugbustest.Event("orders.new", "{}")); err != nil || len(host.Published) != 0 {
		t.Fatal(err, host.Published)
	}
}

func TestAFieldThatIsNoTokenRejects(t *testing.T) {
	host := host(t, configured(table{"name": "country", "to": "routed.{country}"}))
	for _, data := range []string{`{}`, `{"country":{}}`, `{"country":"…"}`, "no JSON"} {
		if _, err := host.Send(plugbustest.Event("orders.new", data)); err == nil {
			t.Error(data)
		}
	}
}

func TestAWrongConfigurationIsRefusedInWords(t *testing.T) {
	rows := []struct {
		config   table
		expected string
	}{
		{table{}, "`filters` is missing"},
		{table{"filter": 1}, `unknown field "filter"`},
		{configured(table{"to": "x"}), "route 1: `name` is missing"},
		{configured(table{"name": "r"}), "`to` is missing"},
		{configured(table{"name": "r", "to": "x.{a"}), "`to`: a `{`"},
		{configured(table{"name": "r", "to": "orders.x"}), "comes back in"},
		{configured(table{"name": "r", "to": "orders.{x}"}), "comes back in"},
		{configured(table{"name": "r", "to": "x", "when": []table{{"field": "a"}}}), "condition 1: one of"},
		{configured(table{"name": "r", "to": "x", "when": []table{{"equals": 1}}}), "`field` is missing"},
		{configured(table{"name": "r", "to": "x", "when": []table{{"field": "a", "matches": "("}}}), "error parsing regexp"},
	}
	for _, row := range rows {
		if _, err := plugbustest.Start(t, plugbus.Registered(), row.config); err == nil || !strings.Contains(err.Error(), row.expected) {
			t.Errorf("%v: %v", row.config, err)
		}
	}
}
