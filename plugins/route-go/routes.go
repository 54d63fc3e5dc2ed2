package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"plugbus"
)

// Bounds of the configuration and of what becomes of it.
const (
	routesMax     = 64
	conditionsMax = 16
	tokenBytesMax = 64
)

// Config is the manifest's [config] table.
type Config struct {
	Filters []string `json:"filters"`
	Routes  []Route  `json:"route"`
	// Default is where goes what no route takes; empty for nowhere.
	Default string `json:"default"`
}

// Route is one way that an event may go.
type Route struct {
	Name string `json:"name"`
	// Topic is a filter; empty for every topic that comes.
	Topic string `json:"topic"`
	// When are its conditions, all of which must hold.
	When []Condition `json:"when"`
	// To is the topic that it goes to; {path} in it stands for a field, {topic.N} for a token of the event's topic.
	To string `json:"to"`
}

// Condition is one field and what it must be.
type Condition struct {
	Field   string `json:"field"`
	Equals  any    `json:"equals"`
	OneOf   []any  `json:"one_of"`
	Matches string `json:"matches"`

	pattern *regexp.Regexp
}

// check compiles the patterns, and says what is wrong and where.
func (c *Config) check() error {
	if len(c.Filters) == 0 {
		return errors.New("config: `filters` is missing: the topics that are routed")
	}
	if len(c.Routes) > routesMax {
		return fmt.Errorf("config: %d routes; at most %d are allowed", len(c.Routes), routesMax)
	}
	for i := range c.Routes {
		if err := c.Routes[i].check(); err != nil {
			return fmt.Errorf("config: route %d: %w", i+1, err)
		}
	}
	return c.checkLoops()
}

func (r *Route) check() error {
	switch {
	case r.Name == "":
		return errors.New("`name` is missing")
	case r.To == "":
		return errors.New("`to` is missing")
	case strings.Count(r.To, "{") != len(placeholder.FindAllString(r.To, -1)):
		return fmt.Errorf("`to`: a `{` in `%s` has no field and `}` behind it", r.To)
	case len(r.When) > conditionsMax:
		return fmt.Errorf("%d conditions; at most %d are allowed", len(r.When), conditionsMax)
	}
	for i := range r.When {
		if err := r.When[i].check(); err != nil {
			return fmt.Errorf("condition %d: %w", i+1, err)
		}
	}
	return nil
}

func (c *Condition) check() error {
	if c.Field == "" {
		return errors.New("`field` is missing")
	}
	tests := 0
	for _, is := range []bool{c.Equals != nil, c.OneOf != nil, c.Matches != ""} {
		if is {
			tests++
		}
	}
	if tests != 1 {
		return errors.New("one of `equals`, `one_of` and `matches` is wanted")
	}
	if c.Matches == "" {
		return nil
	}
	var err error
	c.pattern, err = regexp.Compile(c.Matches)
	return err
}

// checkLoops refuses a destination that comes back in. What stands in for a field is not known here: it is taken for one token, and the
// host ends what slips through.
func (c *Config) checkLoops() error {
	for _, to := range append([]string{c.Default}, destinations(c.Routes)...) {
		topic := placeholder.ReplaceAllString(to, "x")
		for _, filter := range c.Filters {
			if to != "" && plugbus.Matches(filter, topic) {
				return fmt.Errorf("config: `%s` comes back in through the filter `%s`", to, filter)
			}
		}
	}
	return nil
}

func destinations(routes []Route) []string {
	to := make([]string, len(routes))
	for i, route := range routes {
		to[i] = route.To
	}
	return to
}

// route finds the first route that takes an event. The topic is empty where none does, and there is no default.
func (c *Config) route(topic string, data any) (name, to string, err error) {
	for i := range c.Routes {
		route := &c.Routes[i]
		if (route.Topic == "" || plugbus.Matches(route.Topic, topic)) && holdAll(route.When, data) {
			to, err := fill(route.To, topic, data)
			return route.Name, to, err
		}
	}
	return "default", c.Default, nil
}

func holdAll(conditions []Condition, data any) bool {
	for i := range conditions {
		if !conditions[i].holds(data) {
			return false
		}
	}
	return true
}

func (c *Condition) holds(data any) bool {
	value, found := field(data, c.Field)
	switch {
	case !found:
		return false
	case c.pattern != nil:
		text, ok := text(value)
		return ok && c.pattern.MatchString(text)
	case c.OneOf != nil:
		for _, wanted := range c.OneOf {
			if equal(wanted, value) {
				return true
			}
		}
		return false
	}
	return equal(c.Equals, value)
}

// equal compares text, numbers and truth values; nothing else is equal to anything.
func equal(a, b any) bool {
	switch a := a.(type) {
	case string, float64, bool:
		return a == b
	}
	return false
}

// field is the value at a path: names of members and numbers of elements, with dots between them.
func field(value any, path string) (any, bool) {
	for step := range strings.SplitSeq(path, ".") {
		switch inside := value.(type) {
		case map[string]any:
			next, found := inside[step]
			if !found {
				return nil, false
			}
			value = next
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil || index < 0 || index >= len(inside) {
				return nil, false
			}
			value = inside[index]
		default:
			return nil, false
		}
	}
	return value, true
}

func text(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(value), true
	}
	return "", false
}

var placeholder = regexp.MustCompile(`\{[^{}]+\}`)

// fill puts fields into a topic, each as one token: ASCII letters and digits in lower case, `-` for all else.
func fill(to, topic string, data any) (string, error) {
	var missing error
	filled := placeholder.ReplaceAllStringFunc(to, func(found string) string {
		token, err := token(found[1:len(found)-1], topic, data)
		if err != nil {
			missing = err
		}
		return token
	})
	return filled, missing
}

func token(path, topic string, data any) (string, error) {
	var value string
	if number, is := strings.CutPrefix(path, "topic."); is {
		index, err := strconv.Atoi(number)
		tokens := strings.Split(topic, ".")
		if err != nil || index < 0 || index >= len(tokens) {
			return "", fmt.Errorf("`{%s}`: `%s` has no such token", path, topic)
		}
		return tokens[index], nil
	}
	found, is := field(data, path)
	if is {
		value, is = text(found)
	}
	made := plain(value)
	if !is || made == "" {
		return "", fmt.Errorf("`{%s}`: no text of letters and digits is there", path)
	}
	return made, nil
}

func plain(value string) string {
	var made strings.Builder
	for _, c := range strings.ToLower(value) {
		if made.Len() == tokenBytesMax {
			break
		}
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			made.WriteRune(c)
		case made.Len() > 0 && !strings.HasSuffix(made.String(), "-"):
			made.WriteByte('-')
		}
	}
	return strings.TrimRight(made.String(), "-")
}
