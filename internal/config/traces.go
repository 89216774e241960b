package config

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// collector takes a web address, and adds a path to it.
func collector(to *string, path string) kind {
	k := webURL(to)
	parse := k.parse
	k.parse = func(raw string) (string, error) {
		shown, err := parse(raw)
		if err == nil {
			*to += path
		}
		return shown, err
	}
	return k
}

// checkTraces tells what is wrong with the settings of traces, if there are to be any.
// Where there are none, such variables are meant for other programs, which may know
// more values than we do.
func (l *loader) checkTraces() {
	asked := slices.ContainsFunc(l.config.shown, func(s Shown) bool {
		return (s.Name == endpointName || s.Name == tracesEndpointName) && s.Value != ""
	})
	if asked && !l.config.Traces.Disabled {
		l.problems = append(l.problems, l.traces...)
	}
}

const (
	endpointName       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointName = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
)

// exporters reads which exporters traces are for, as OpenTelemetry names them. We are
// one of them, or nothing is traced.
func exporters(disabled *bool) kind {
	k := text(new(string), "otlp, or none; of several with commas between, otlp counts")
	k.metavar = "exporters"
	parse := k.parse
	k.parse = func(raw string) (string, error) {
		ours := false
		for one := range strings.SplitSeq(raw, ",") {
			ours = ours || strings.EqualFold(strings.TrimSpace(one), "otlp")
		}
		*disabled = *disabled || !ours
		return parse(raw)
	}
	return k
}

// pairsMost is how many pairs a setting may have.
const pairsMost = 64

// pairs reads name=value,name=value with values that are percent-encoded, as
// OpenTelemetry has them in its variables. Its errors quote nothing.
func pairs(raw string, valid func(name, value string) bool) (map[string]string, error) {
	all := map[string]string{}
	for one := range strings.SplitSeq(raw, ",") {
		name, value, found := strings.Cut(one, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || name == "" {
			return nil, errors.New("one of its parts is no name=value")
		}
		value, err := url.PathUnescape(value)
		if err != nil || !oneLine(value) || !valid(name, value) {
			return nil, errors.New("one of its names or values has a character that it cannot have")
		}
		if all[name] = value; len(all) > pairsMost {
			return nil, errors.New("it has more than " + strconv.Itoa(pairsMost) + " pairs")
		}
	}
	return all, nil
}

const expectPairs = "name=value with commas between, values percent-encoded"

func headers(to *map[string]Secret) kind {
	return kind{expect: expectPairs, metavar: "headers", parse: func(raw string) (string, error) {
		all, err := pairs(raw, func(name, _ string) bool {
			return !strings.ContainsFunc(name, func(r rune) bool {
				return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
			})
		})
		if err != nil {
			return "", err
		}
		secrets := make(map[string]Secret, len(all))
		for name, value := range all {
			secrets[name] = NewSecret(value)
		}
		*to = secrets
		return Mask, nil
	}}
}

func attributes(to *map[string]string) kind {
	return kind{expect: expectPairs, metavar: "attributes", parse: func(raw string) (string, error) {
		all, err := pairs(raw, func(name, _ string) bool { return oneLine(name) })
		if err != nil {
			return "", err
		}
		*to = all
		return raw, nil
	}}
}

// part takes a number from 0 to 1.
func part(to *float64) kind {
	return kind{expect: "a number from 0 to 1, such as 0.1", metavar: "part", parse: func(raw string) (string, error) {
		n, err := strconv.ParseFloat(raw, 64)
		if err != nil || !(n >= 0 && n <= 1) {
			return "", errors.New("it is none")
		}
		*to = n
		return raw, nil
	}}
}
