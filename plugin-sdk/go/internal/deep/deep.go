// Package deep refuses JSON that is nested so deep that reading it would overflow the stack of the sandbox.
package deep

// Max is the deepest nesting that is read: the sandbox's stack (512 KiB) would overflow later on, and that is a fault.
const Max = 500

// TooDeep says whether lists and objects are nested over Max deep. It reads brackets and strings; whether the rest is JSON is for
// others to see.
func TooDeep(data []byte) bool {
	depth, inString, escaped := 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '[' || c == '{':
			if depth++; depth > Max {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}
