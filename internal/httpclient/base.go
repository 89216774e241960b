package httpclient

import (
	"net/url"

	"ferryman/internal/fault"
)

// ParseBase reads the base address of an API from a setting. It refuses, as a
// fault of kind Unconfigured, what errors and the log could not show because it
// may hold a secret, and never quotes what it refuses.
func ParseBase(setting, text, example string) (*url.URL, error) {
	u, err := url.Parse(text)
	var wrong string
	switch {
	case err != nil:
		wrong = "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		wrong = "does not begin with http:// or https://"
	case u.Hostname() == "":
		wrong = "names no host"
	case u.User != nil:
		wrong = "holds a user or a password"
	case u.RawQuery != "" || u.ForceQuery:
		wrong = "holds a query"
	case u.Fragment != "":
		wrong = "holds a fragment"
	default:
		return u, nil
	}
	return nil, &fault.Error{
		Kind:   fault.Unconfigured,
		Code:   "not_configured",
		Detail: setting + " " + wrong,
		Hint:   "set an address such as " + example,
	}
}
