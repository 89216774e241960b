package config

import (
	"strconv"
	"strings"
)

// field is one thing to set of a campaign, bound to the campaign that it sets. The
// campaigns file, flags, the check and the documentation all come from it.
type field struct {
	key      string        // in the campaigns file; a flag has dashes for underscores
	help     string        // what it is
	without  string        // what holds without it, in words, if no value is the default
	required bool          // once the campaign is complete
	secret   bool          // so it may come from a file or a variable, too
	number   bool          // what a number is in YAML
	several  bool          // a list will do: its elements, with commas between
	modes    []string      // in which it has an effect; none: in all
	text     func() string // the present value, as parse takes it; "" is unset
	kind
}

// The suffixes of keys that say where a secret is.
const (
	keyFile = "_file" // the path of a file
	keyEnv  = "_env"  // the name of a variable
)

// fields are in the order of the documentation. Paths of SQLite files go through
// resolve.
func (c *Campaign) fields(resolve func(string) (string, error)) []field {
	all := []field{
		{
			key: "id", help: "id of the campaign", required: true,
			text: func() string { return c.ID }, kind: identifier(&c.ID),
		},
		{
			key: "name", help: "name of the campaign here: in the ledger, in saved state, in messages; it must not change later",
			without: "the id in lower case, in mode webhook with -webhook behind it", required: true,
			text: func() string { return c.Name }, kind: slugName(&c.Name),
		},
		{
			key: "token", help: "token of the campaign's connector", required: true, secret: true,
			text: c.Token.Reveal, kind: token(&c.Token),
		},
		{
			key: "base_url", help: "base address of the API", required: true,
			text: func() string { return c.BaseURL }, kind: webURL(&c.BaseURL),
		},
		{
			key: "mode", required: true,
			help: "what is done: db_init brings all contacts and ends; db_update those changed since start, or in the last week, and ends; " +
				"db_sync goes on with what changes; webhook posts transactions",
			without: "webhook for a web address, else db_sync",
			text:    func() string { return c.Mode },
			kind:    oneOf([]string{ModeInit, ModeUpdate, ModeSync, ModeWebhook}, func(word string) { c.Mode = word }),
		},
		{
			key: "target", help: "database that is written to, or web service that is posted to", required: true, secret: true,
			text: c.Target.Reveal, kind: target(&c.Target, resolve),
		},
		{
			key: "start", help: "time from which on changes count", without: "the saved place, else the mode's own",
			text: func() string { return startText(c.Start) }, kind: start(&c.Start),
		},
		{
			key: "filter", help: "transactions that are wanted: updates, or of those the ones that people made", without: "all",
			text: func() string { return c.Filter },
			kind: oneOf([]string{FilterUpdates, FilterHumanUpdates}, func(word string) { c.Filter = word }),
		},
		{
			key: "stage_prefix", help: "what the stages of transactions that are wanted begin with", without: "all", several: true,
			text: func() string { return strings.Join(c.Prefixes, ",") }, kind: prefixes(&c.Prefixes),
		},
		{
			key: "table_prefix", help: "what the names of tables begin with",
			text: func() string { return c.TablePrefix }, kind: tablePrefix(&c.TablePrefix),
		},
		count("workers", "calls of the API at a time", &c.Workers, 1, 256, "calls"),
		count("connections", "connections to the database, at most", &c.Connections, 1, 1000, "connections"),
		count("per_call", "contacts that one call asks for", &c.PerCall, 1, 1000, "contacts"),
		count("max_fields", "custom fields that get a column; 0: all", &c.MaxFields, 0, 10000, "fields"),
		choice("empty_as_null", "write an empty text as NULL", &c.EmptyAsNull),
		choice("legacy_values", "write booleans as 1 and 0 in columns of text, not as true and false", &c.LegacyValues),
		choice("history", "in mode webhook, send transactions from before the start, too", &c.History),
		count("rate", "in mode webhook, posts a second", &c.Rate, 1, 10000, "posts"),
		count("burst", "in mode webhook, posts at once; 0: twice the rate", &c.Burst, 0, 100000, "posts"),
		{
			key: "profile", help: "in mode webhook, how often a post is tried again: seed within minutes, standard within days", required: true,
			text: func() string { return c.Profile },
			kind: oneOf([]string{ProfileSeed, ProfileStandard}, func(word string) { c.Profile = word }),
		},
		{
			key: "secret", help: "in mode webhook, what posts are signed with", without: "nothing is signed", secret: true, several: true,
			text: func() string { return secretsText(c.Secrets) }, kind: signingSecrets(&c.Secrets),
		},
		{
			key: "every", help: "time between two cycles of db_sync or webhook", required: true,
			text: func() string { return paceText(c.Every) }, kind: pace(&c.Every),
		},
	}
	for i := range all {
		all[i].modes = modesOf(all[i].key)
	}
	return all
}

// modesOf are the modes in which a field has an effect; none: all.
func modesOf(key string) []string {
	switch key {
	case "table_prefix", "connections", "max_fields", "empty_as_null", "legacy_values":
		return []string{ModeInit, ModeUpdate, ModeSync}
	case "history", "rate", "burst", "profile", "secret":
		return []string{ModeWebhook}
	case "every":
		return []string{ModeSync, ModeWebhook}
	default:
		return nil
	}
}

// count is a field that holds a number.
func count(key, help string, to *int, least, most int64, unit string) field {
	return field{
		key: key, help: help, number: true, text: func() string { return strconv.Itoa(*to) },
		kind: whole(least, most, unit, func(n int64) { *to = int(n) }),
	}
}

// choice is a field that is on or off.
func choice(key, help string, to *bool) field {
	return field{key: key, help: help, text: func() string { return strconv.FormatBool(*to) }, kind: boolean(to)}
}

// keys are those that set f in the campaigns file.
func (f field) keys() []string {
	if f.secret {
		return []string{f.key, f.key + keyFile, f.key + keyEnv}
	}
	return []string{f.key}
}
