package dialfire

import (
	"slices"

	"ferryman/internal/pipeline"
)

// Tables are the tables of a campaign without its custom fields, parents first:
// contacts, transactions, connections, recordings, inbound_calls. Each call makes
// new ones.
func Tables(prefix string) []*pipeline.Table {
	return newLayout(layoutOptions{prefix: prefix}).tables()
}

// Postings is the table of the transactions that the webhook mode sends. Its rows
// are never stored as such: contact and transaction are JSON texts, hash is in hex.
// Each call makes a new one.
func Postings() *pipeline.Table {
	return &pipeline.Table{
		Name:    "transactions",
		Columns: slices.Concat(key("contact_id", "fired"), short("hash"), text("contact", "transaction")),
		Key:     []string{"contact_id", "fired"},
	}
}

func contactsTable(prefix string, custom []Field) *pipeline.Table {
	columns := slices.Concat(
		key("$id"),
		short("$md5", "$ref", "$version", "$campaign_id", "$task_id", "$task", "$status"),
		text("$status_detail"),
		short("$created_date", "$entry_date", "$owner", "$follow_up_date", "$phone", "$timezone", "$caller_id", "$source"),
		text("$comment"),
		short("$error"),
		text("$recording", "$recording_url"),
	)
	for _, f := range custom {
		if f.Number {
			columns = append(columns, number(f.Name)...)
		} else {
			columns = append(columns, text(f.Name)...)
		}
	}
	return table(prefix+"contacts", columns, []string{"$id", "$md5"})
}

func transactionsTable(prefix string) *pipeline.Table {
	return table(prefix+"transactions", slices.Concat(
		key("id"),
		short("contact_id", "task_id", "task", "status"),
		text("status_detail"),
		short("fired"),
		number("pause_time_sec", "edit_time_sec", "wrapup_time_sec"),
		short("user", "user_loginName", "user_branch", "user_tenantAlias", "actor", "type", "result", "trigger"),
		boolean("isHI", "revoked"),
	), []string{"contact_id"})
}

func connectionsTable(prefix string) *pipeline.Table {
	return table(prefix+"connections", slices.Concat(
		key("id"),
		short("parent_connection_id", "transfer_target_address", "call_uuid"),
		text("global_call_uuid"),
		short("transaction_id", "task_id", "contact_id", "phone", "user", "actor", "hangup_party", "isThirdPartyConnection", "dialerdomain"),
		short("fired", "started", "initiated", "connected", "disconnected", "ended"),
		number("duration"),
		short("remote_number", "line_number", "technology", "result"),
		number("code"),
		short("call_initiated", "call_connected", "call_disconnected"),
	), []string{"contact_id"}, []string{"transaction_id"})
}

func recordingsTable(prefix string) *pipeline.Table {
	return table(prefix+"recordings", slices.Concat(
		key("id"),
		short("contact_id", "connection_id", "started", "stopped"),
		text("filename", "location"),
	), []string{"contact_id"}, []string{"connection_id"})
}

func callsTable(prefix string) *pipeline.Table {
	return table(prefix+"inbound_calls", slices.Concat(
		key("id"),
		short("line_id", "campaign_id", "task_id", "task_name", "contact_id", "remote_number", "line_number", "started", "connected"),
		short("disconnected", "user", "state", "connectable_time", "disposition"),
		boolean("dispatch_error"),
	), []string{"contact_id"})
}

// changed is the column that every table ends with.
const changed = "$changed"

// table has its first column for a key.
func table(name string, columns []pipeline.Column, indexes ...[]string) *pipeline.Table {
	return &pipeline.Table{
		Name:    name,
		Columns: columns,
		Stamps:  []pipeline.Stamp{{Name: changed, Type: pipeline.Text, On: pipeline.OnChange}},
		Key:     []string{columns[0].Name},
		Indexes: indexes,
	}
}

func key(names ...string) []pipeline.Column {
	return columns(pipeline.Column{Type: pipeline.Text, Short: true, Required: true}, names)
}

func short(names ...string) []pipeline.Column {
	return columns(pipeline.Column{Type: pipeline.Text, Short: true}, names)
}

func text(names ...string) []pipeline.Column {
	return columns(pipeline.Column{Type: pipeline.Text}, names)
}

func number(names ...string) []pipeline.Column {
	return columns(pipeline.Column{Type: pipeline.Decimal}, names)
}

func boolean(names ...string) []pipeline.Column {
	return columns(pipeline.Column{Type: pipeline.Boolean}, names)
}

func columns(like pipeline.Column, names []string) []pipeline.Column {
	made := make([]pipeline.Column, len(names))
	for i, name := range names {
		made[i] = like
		made[i].Name = name
	}
	return made
}
