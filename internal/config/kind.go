package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// kind is a sort of value, bound to the field that it fills. Its errors say what
// is wrong with a value without quoting it.
type kind struct {
	expect   string // completes "expected …"
	metavar  string // the value's name in the help of flags
	verbatim bool   // blanks at the ends belong to the value
	parse    func(raw string) (shown string, err error)
}

var errControl = errors.New("it holds a line break or another control character, or is not UTF-8")

func oneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func text(to *string, expect string) kind {
	return kind{expect: expect, metavar: "text", parse: func(raw string) (string, error) {
		if !oneLine(raw) {
			return "", errControl
		}
		*to = raw
		return raw, nil
	}}
}

func token(to *Secret) kind {
	return kind{expect: "the token alone, without a word such as Bearer", metavar: "token", parse: func(raw string) (string, error) {
		if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "", errors.New("it holds a blank or another character that no token has")
		}
		*to = NewSecret(raw)
		return Mask, nil
	}}
}

func apiKey(to *Secret) kind {
	k := token(to)
	k.expect, k.metavar = "the key alone, as it was shown when it was made", "key"
	return k
}

func password(to *Secret) kind {
	return kind{expect: "one line of text", metavar: "password", verbatim: true, parse: func(raw string) (string, error) {
		if !oneLine(raw) {
			return "", errControl
		}
		*to = NewSecret(raw)
		return Mask, nil
	}}
}

// longSecret is one that cannot be guessed if it is random.
func longSecret(to *Secret) kind {
	const least = 32
	expect := fmt.Sprintf("one line of at least %d characters, such as openssl rand -hex 32 prints", least)
	return kind{expect: expect, metavar: "secret", parse: func(raw string) (string, error) {
		switch {
		case !oneLine(raw):
			return "", errControl
		case len(raw) < least:
			return "", errors.New("it is shorter")
		}
		*to = NewSecret(raw)
		return Mask, nil
	}}
}

func boolean(to *bool) kind {
	return kind{expect: "true or false", metavar: "bool", parse: func(raw string) (string, error) {
		b, err := strconv.ParseBool(strings.ToLower(raw))
		if err != nil {
			return "", errors.New("it is neither")
		}
		*to = b
		return strconv.FormatBool(b), nil
	}}
}

// whole checks an integer; unit follows the bounds in the text.
func whole(least, most int64, unit string, set func(int64)) kind {
	return kind{
		expect: fmt.Sprintf("a whole number of %s from %d to %d", unit, least, most), metavar: unit,
		parse: func(raw string) (string, error) {
			n, err := strconv.ParseInt(raw, 10, 64)
			switch {
			case errors.Is(err, strconv.ErrRange), err == nil && (n < least || n > most):
				return "", errors.New("it is out of range")
			case err != nil:
				return "", errors.New("it is no whole number")
			}
			set(n)
			return strconv.FormatInt(n, 10), nil
		},
	}
}

func seconds(to *time.Duration, most int64) kind {
	return whole(1, most, "seconds", func(n int64) { *to = time.Duration(n) * time.Second })
}

// oneOf ignores case; set gets the word as it stands in words.
func oneOf(words []string, set func(word string)) kind {
	return kind{expect: "one of " + strings.Join(words, ", "), metavar: strings.Join(words, "|"), parse: func(raw string) (string, error) {
		i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, raw) })
		if i < 0 {
			return "", errors.New("it is none of them")
		}
		set(words[i])
		return words[i], nil
	}}
}

func level(to *slog.Level) kind {
	return oneOf([]string{"debug", "info", "warn", "error"}, func(word string) {
		_ = to.UnmarshalText([]byte(word)) // knows all four
	})
}

func directory(to *string, resolve func(string) (string, error)) kind {
	return kind{expect: "the path of a folder", metavar: "dir", parse: func(raw string) (string, error) {
		if !oneLine(raw) {
			return "", errControl
		}
		dir, err := resolve(raw)
		*to = dir
		return dir, err
	}}
}

func filePath(to *string, resolve func(string) (string, error)) kind {
	k := directory(to, resolve)
	k.expect, k.metavar = "the path of a file", "file"
	return k
}

func database(to *Database, resolve func(string) (string, error), expect string, schemes ...string) kind {
	return kind{expect: expect, metavar: "url", parse: func(raw string) (string, error) {
		d, err := parseDatabase(raw, schemes, resolve)
		*to = d
		return d.String(), err
	}}
}

func hostPort(to *string) kind {
	return kind{expect: "host:port, such as 127.0.0.1:8080, [::1]:8080 or :8080", metavar: "host:port", parse: func(raw string) (string, error) {
		host, port, err := net.SplitHostPort(raw) // its error quotes the value
		if err != nil {
			return "", errors.New("it is no host and port")
		}
		if !portNumber(port) {
			return "", errors.New("its port is no number from 0 to 65535")
		}
		if !hostOrAddress(host) {
			return "", errors.New("its host is neither an address nor a name")
		}
		*to = raw
		return raw, nil
	}}
}

const maxHosts = 100

// hostNames takes names without ports, for the port of a proxy says nothing. An
// IPv6 address stands without brackets. Each name is kept once, in lower case.
func hostNames(to *[]string) kind {
	return kind{expect: "host names without port, with commas between, such as ferryman.example.com", metavar: "names", parse: func(raw string) (string, error) {
		var names []string
		for one := range strings.SplitSeq(raw, ",") {
			name := strings.ToLower(strings.TrimSpace(one))
			switch {
			case name == "":
				return "", errors.New("it has a comma without a name on both sides")
			case !hostOrAddress(name):
				return "", errors.New("one of them is no host name; a port, a path or a * does not belong there")
			case !slices.Contains(names, name):
				names = append(names, name)
			}
			if len(names) > maxHosts {
				return "", fmt.Errorf("it has more than %d names", maxHosts)
			}
		}
		*to = names
		return strings.Join(names, ","), nil
	}}
}

// networks takes addresses and networks. One that holds every address would have
// everybody believed.
func networks(to *[]netip.Prefix) kind {
	return kind{expect: "addresses or networks with commas between, such as 127.0.0.1,::1,10.1.0.0/16", metavar: "networks", parse: func(raw string) (string, error) {
		var all []netip.Prefix
		var shown []string
		for one := range strings.SplitSeq(raw, ",") {
			one = strings.TrimSpace(one)
			network, err := netip.ParsePrefix(one)
			if a, single := netip.ParseAddr(one); single == nil {
				network, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
			switch {
			case err != nil, strings.Contains(one, "%"):
				return "", errors.New("one of them is neither an address nor a network; a name, a port or a * does not belong there")
			case network.Addr().Is4In6():
				return "", errors.New("one of them is of IPv4 and written as one of IPv6")
			case network.Bits() == 0:
				return "", errors.New("one of them is every address: then everybody could say to be somebody else")
			case len(all) >= maxHosts:
				return "", fmt.Errorf("it has more than %d", maxHosts)
			}
			all = append(all, network.Masked())
			shown = append(shown, one)
		}
		*to = all
		return strings.Join(shown, ","), nil
	}}
}

func portNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// hostOrAddress takes the empty host as well.
func hostOrAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// webURL takes no credentials: they would be shown, and they have settings of
// their own.
func webURL(to *string) kind {
	return kind{expect: "an http:// or https:// address without user, parameters or fragment", metavar: "url", parse: func(raw string) (string, error) {
		u, err := url.Parse(raw) // its error quotes the value
		switch {
		case err != nil || !oneLine(raw):
			return "", errors.New("it is no well-formed URL")
		case u.Scheme != "http" && u.Scheme != "https":
			return "", errors.New("its scheme is neither http nor https")
		case strings.ContainsAny(raw, "@?#"):
			return "", errors.New("it holds one of @ ? #")
		case u.Hostname() == "" || strings.Contains(u.Host, ",") || !hosts(u.Host):
			return "", errors.New("it names no valid host")
		}
		*to = strings.TrimRight(u.String(), "/")
		return *to, nil
	}}
}

// rate checks how a rate is written; whoever keeps to it knows what it means.
func rate(to *string) kind {
	const form = "^(none|[1-9][0-9]{0,5}/([1-9][0-9]{0,4})?(s|min|h|d))$"
	return matching(to, form, "a rate such as 30/s, 20/min, 100/h or 1/6s, or none", "rate")
}

func shortText(to *string, most int) kind {
	k := text(to, fmt.Sprintf("one line of at most %d characters", most))
	parse := k.parse
	k.parse = func(raw string) (string, error) {
		if utf8.RuneCountInString(raw) > most {
			return "", errors.New("it is longer")
		}
		return parse(raw)
	}
	return k
}

func digits(to *string) kind {
	return matching(to, "^[0-9]{1,40}$", "digits alone", "digits")
}

func version(to *string) kind {
	return matching(to, `^v[0-9]{1,3}\.[0-9]{1,3}$`, "a version such as v23.0", "version")
}

func matching(to *string, form, expect, metavar string) kind {
	return kind{expect: expect, metavar: metavar, parse: func(raw string) (string, error) {
		if !regexp.MustCompile(form).MatchString(raw) {
			return "", errors.New("it is something else")
		}
		*to = raw
		return raw, nil
	}}
}

// webHosts takes names and addresses, each with or without a port.
func webHosts(to *[]string) kind {
	return kind{expect: "hosts with commas between, such as hooks.example.com or 10.0.0.7:8443", metavar: "hosts", parse: func(raw string) (string, error) {
		var all []string
		for one := range strings.SplitSeq(raw, ",") {
			one = strings.ToLower(strings.TrimSpace(one))
			host := one
			if h, port, err := net.SplitHostPort(one); err == nil {
				if host = h; !portNumber(port) {
					return "", errors.New("one of them has a port that is no number from 0 to 65535")
				}
			}
			switch {
			case host == "":
				return "", errors.New("it has a comma without a host on both sides")
			case !hostOrAddress(host):
				return "", errors.New("one of them is no host; a scheme, a path or a * does not belong there")
			case len(all) >= maxHosts:
				return "", fmt.Errorf("it has more than %d hosts", maxHosts)
			}
			all = append(all, one)
		}
		*to = all
		return strings.Join(all, ","), nil
	}}
}
