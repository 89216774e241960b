package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxName leaves room for what is put before it in names of a hundred characters.
const maxName = 80

// identifier is a segment of the API's paths.
func identifier(to *string) kind {
	return kind{
		expect: "at most 80 letters, digits, _ and -, as the campaign's settings show it", metavar: "id",
		parse: func(raw string) (string, error) {
			if !campaignID(raw) {
				return "", errors.New("it is no id")
			}
			*to = raw
			return raw, nil
		},
	}
}

func campaignID(s string) bool {
	return s != "" && len(s) <= maxName && only(s, "_-", upper, lower, digit)
}

// slugName takes what the ledger calls crons by.
func slugName(to *string) kind {
	return kind{
		expect:  "lower-case letters, digits, _ and -, at most 80, a letter among them, the first a letter or digit",
		metavar: "name",
		parse: func(raw string) (string, error) {
			if !slug(raw) {
				return "", errors.New("it is no such name")
			}
			*to = raw
			return raw, nil
		},
	}
}

func slug(s string) bool {
	return s != "" && len(s) <= maxName && only(s, "_-", lower, digit) && !strings.ContainsAny(s[:1], "_-") &&
		strings.ContainsFunc(s, lower)
}

func tablePrefix(to *string) kind {
	return kind{expect: "at most 40 letters, digits, _, - and $", metavar: "text", parse: func(raw string) (string, error) {
		if len(raw) > 40 || !only(raw, "_-$", upper, lower, digit) {
			return "", errors.New("it is something else")
		}
		*to = raw
		return raw, nil
	}}
}

// only tells whether s has nothing but characters of extra and of the classes.
func only(s, extra string, classes ...func(rune) bool) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune(extra, r) && !slices.ContainsFunc(classes, func(in func(rune) bool) bool { return in(r) })
	})
}

func upper(r rune) bool { return 'A' <= r && r <= 'Z' }
func lower(r rune) bool { return 'a' <= r && r <= 'z' }
func digit(r rune) bool { return '0' <= r && r <= '9' }

const maxPrefixes = 1000

// prefixes takes several, without the blanks around them.
func prefixes(to *[]string) kind {
	return kind{expect: "beginnings of stages with commas between, such as fc_,qc_", metavar: "prefixes", parse: func(raw string) (string, error) {
		var all []string
		for one := range strings.SplitSeq(raw, ",") {
			one = strings.TrimSpace(one)
			switch {
			case one == "":
				return "", errors.New("it has a comma without a prefix on both sides")
			case !oneLine(one):
				return "", errControl
			case len(all) == maxPrefixes:
				return "", fmt.Errorf("it has more than %d prefixes", maxPrefixes)
			}
			if !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
		*to = all
		return strings.Join(all, ","), nil
	}}
}

const expectStart = "a time of UTC such as 2018-02-01T09:30:00, or a date"

// start takes a time without a zone as one of UTC.
func start(to *time.Time) kind {
	return kind{expect: expectStart, metavar: "time", parse: func(raw string) (string, error) {
		for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05", time.RFC3339} {
			if t, err := time.Parse(layout, raw); err == nil { // with or without a fraction of a second
				if t = t.UTC(); t.Year() < 1970 || t.Year() > 9998 {
					return "", errors.New("it is out of range")
				}
				*to = t
				return startText(t), nil
			}
		}
		return "", errors.New("it is no such time")
	}}
}

func startText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// pace is how often something is done.
func pace(to *time.Duration) kind {
	const least, most = time.Second, 24 * time.Hour
	return kind{expect: "a duration such as 30s, 1m or 2h, from 1s to 24h", metavar: "duration", parse: func(raw string) (string, error) {
		d, err := time.ParseDuration(raw) // its error quotes the value
		switch {
		case err != nil:
			return "", errors.New("it is no duration")
		case d < least || d > most:
			return "", errors.New("it is out of range")
		}
		*to = d
		return d.String(), nil
	}}
}

func paceText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// signingSecrets takes one, or during a rotation two.
func signingSecrets(to *[]Secret) kind {
	return kind{
		expect: "whsec_ and the base64 of 24 to 64 bytes; during a rotation two with a comma between, the newer one first", metavar: "secret",
		parse: func(raw string) (string, error) {
			var all []Secret
			for one := range strings.FieldsFuncSeq(raw, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' }) {
				body, ok := strings.CutPrefix(one, "whsec_")
				key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(body, "="))
				if !ok || err != nil || len(key) < 24 || len(key) > 64 {
					return "", errors.New("it is no such secret")
				}
				all = append(all, NewSecret(one))
			}
			if n := len(all); n == 0 || n > 2 {
				return "", fmt.Errorf("it holds %d secrets", n)
			}
			*to = all
			return Mask, nil
		},
	}
}

func secretsText(all []Secret) string {
	texts := make([]string, len(all))
	for i, s := range all {
		texts[i] = s.Reveal()
	}
	return strings.Join(texts, ",")
}
