package endpoint

import (
	"fmt"
	"log/slog"
	"net/url"
	"strconv"

	"ferryman/internal/fault"
)

// maxURL is what a URL may have of bytes.
const maxURL = 2048

// Address is where a webhook posts to. However it is printed, logged or encoded,
// it reads without what may be secret, and often is: user information, path and
// query.
type Address struct{ text string }

// ParseAddress reads a URL of http or https with a host.
func ParseAddress(text string) (Address, error) {
	wrong := func(detail string) (Address, error) {
		return Address{}, &fault.Error{
			Kind: fault.Invalid, Code: "webhook_url", Detail: detail, Hint: "a webhook's URL is such as https://example.com/hook",
		}
	}
	if len(text) > maxURL {
		return wrong(fmt.Sprintf("the URL has %d bytes, more than %d", len(text), maxURL))
	}
	u, err := url.Parse(text) // its error would quote the URL
	switch {
	case err != nil:
		return wrong("the URL is malformed")
	case u.Scheme != "http" && u.Scheme != "https":
		return wrong("the URL does not begin with http:// or https://")
	case u.Hostname() == "":
		return wrong("the URL names no host")
	case u.Fragment != "":
		return wrong("the URL has a fragment, which nobody would be sent")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return wrong("the URL's port is not one of 1 to 65535")
		}
	}
	return Address{text}, nil
}

// Reveal gives the whole URL. Never put it into an error or a log.
func (a Address) Reveal() string { return a.text }

// String is the URL's scheme and host, with *** for a path.
func (a Address) String() string {
	u, err := url.Parse(a.text)
	if err != nil || u.Host == "" {
		return ""
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.Path != "" && u.Path != "/" {
		shown.Path, shown.RawPath = hiddenPath, hiddenPath
	}
	return shown.String()
}

const hiddenPath = "/***"

// GoString is what String gives.
func (a Address) GoString() string { return a.String() }

// MarshalText gives encoders what String gives.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// LogValue gives log handlers what String gives.
func (a Address) LogValue() slog.Value { return slog.StringValue(a.String()) }
