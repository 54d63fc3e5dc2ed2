package plugbus

import "strings"

// Matches says whether a filter matches a topic: * stands for exactly one token, a final > for one or more. A filter that begins with a
// wildcard does not match the host's own plugbus. topics.
func Matches(filter, topic string) bool {
	wanted, found := strings.Split(filter, "."), strings.Split(topic, ".")
	if found[0] == "plugbus" && (wanted[0] == "*" || wanted[0] == ">") {
		return false
	}
	for i, token := range wanted {
		if i >= len(found) {
			return false
		}
		if token == ">" && i == len(wanted)-1 {
			return true
		}
		if token != "*" && token != found[i] {
			return false
		}
	}
	return len(wanted) == len(found)
}
