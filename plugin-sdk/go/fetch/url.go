package fetch

import "strings"

// shownMax is how many bytes of a text a message repeats.
const shownMax = 200

// target is as much of a URL as a request needs. What it means is for the host to decide.
type target struct {
	isHTTPS   bool
	authority string
	path      string // and query; begins with a slash
}

func parse(url string) (target, error) {
	bad := func(problem string) (target, error) {
		return target{}, invalid("URL %q %s", url[:min(len(url), shownMax)], problem)
	}
	for _, c := range url {
		if c <= ' ' || c >= 0x7f {
			return bad("has a character that is to be percent-encoded: " + strings.ToValidUTF8(string(c), "\uFFFD"))
		}
	}
	scheme, rest, found := strings.Cut(url, "://")
	isHTTPS := strings.EqualFold(scheme, "https")
	if !found || !(isHTTPS || strings.EqualFold(scheme, "http")) {
		return bad("must begin with http:// or https://")
	}
	rest, _, _ = strings.Cut(rest, "#")
	authority, path := rest, ""
	if at := strings.IndexAny(rest, "/?"); at >= 0 {
		authority, path = rest[:at], rest[at:]
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if authority == "" || authority[0] == ':' {
		return bad("has no host")
	}
	if strings.Contains(authority, "@") {
		return bad("has a user name or password; use an authorization header")
	}
	return target{isHTTPS, authority, path}, nil
}

func (t target) origin() string {
	scheme, port := "http", ":80"
	if t.isHTTPS {
		scheme, port = "https", ":443"
	}
	return scheme + "://" + strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(t.authority), port), ".")
}

func checkHeader(name, value string) error {
	if !isToken(name) {
		return invalid("%q is not the name of a header", name)
	}
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return invalid("header %q has a control character in its value", name)
	}
	return nil
}

// isToken says whether a text is a token of RFC 9110.
func isToken(text string) bool {
	const more = "!#$%&'*+-.^_`|~"
	return text != "" && !strings.ContainsFunc(text, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c < 0x7f && strings.ContainsRune(more, c))
	})
}
