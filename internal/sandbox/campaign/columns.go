package campaign

// columnType is what a column of the mirror holds.
type columnType int

const (
	texts columnType = iota
	numbers
	booleans
)

type column struct {
	name string
	kind columnType
}

// The tables of the mirror.
const (
	contactsTable     = "contacts"
	transactionsTable = "transactions"
	connectionsTable  = "connections"
	recordingsTable   = "recordings"
	callsTable        = "inbound_calls"
)

// systemColumns are those of contacts that every campaign has.
var systemColumns = [...]column{
	{"$id", texts}, {"$md5", texts}, {"$ref", texts}, {"$version", texts}, {"$campaign_id", texts}, {"$task_id", texts}, {"$task", texts},
	{"$status", texts}, {"$status_detail", texts}, {"$created_date", texts}, {"$entry_date", texts}, {"$owner", texts},
	{"$follow_up_date", texts}, {"$phone", texts}, {"$timezone", texts}, {"$caller_id", texts}, {"$source", texts}, {"$comment", texts},
	{"$error", texts}, {"$recording", texts}, {"$recording_url", texts},
}

var transactionColumns = [...]column{
	{"id", texts}, {"contact_id", texts}, {"task_id", texts}, {"task", texts}, {"status", texts}, {"status_detail", texts}, {"fired", texts},
	{"pause_time_sec", numbers}, {"edit_time_sec", numbers}, {"wrapup_time_sec", numbers}, {"user", texts}, {"user_loginName", texts},
	{"user_branch", texts}, {"user_tenantAlias", texts}, {"actor", texts}, {"type", texts}, {"result", texts}, {"trigger", texts},
	{"isHI", booleans}, {"revoked", booleans},
}

var connectionColumns = [...]column{
	{"id", texts}, {"parent_connection_id", texts}, {"transfer_target_address", texts}, {"call_uuid", texts}, {"global_call_uuid", texts},
	{"transaction_id", texts}, {"task_id", texts}, {"contact_id", texts}, {"phone", texts}, {"user", texts}, {"actor", texts},
	{"hangup_party", texts}, {"isThirdPartyConnection", texts}, {"dialerdomain", texts}, {"fired", texts}, {"started", texts},
	{"initiated", texts}, {"connected", texts}, {"disconnected", texts}, {"ended", texts}, {"duration", numbers}, {"remote_number", texts},
	{"line_number", texts}, {"technology", texts}, {"result", texts}, {"code", numbers}, {"call_initiated", texts}, {"call_connected", texts},
	{"call_disconnected", texts},
}

var recordingColumns = [...]column{
	{"id", texts}, {"contact_id", texts}, {"connection_id", texts}, {"started", texts}, {"stopped", texts}, {"filename", texts}, {"location", texts},
}

var callColumns = [...]column{
	{"id", texts}, {"line_id", texts}, {"campaign_id", texts}, {"task_id", texts}, {"task_name", texts}, {"contact_id", texts},
	{"remote_number", texts}, {"line_number", texts}, {"started", texts}, {"connected", texts}, {"disconnected", texts}, {"user", texts},
	{"state", texts}, {"connectable_time", texts}, {"disposition", texts}, {"dispatch_error", booleans},
}

// callKeys are the keys of an inbound call that have another name in the mirror.
var callKeys = map[string]string{
	"remote_number": "calling_number", "line_number": "called_number", "started": "call_time", "connected": "connect_time", "disconnected": "hangup_time",
}

// contactColumns are those of contacts: the ones that every campaign has, then
// each custom field that is in use, once.
func contactColumns(fields []field) []column {
	list := append([]column(nil), systemColumns[:]...)
	have := map[string]bool{}
	for _, c := range list {
		have[c.name] = true
	}
	for _, f := range fields {
		if f.Type != customField || f.Deleted != nil && *f.Deleted || have[f.Name] {
			continue
		}
		have[f.Name] = true
		kind := texts
		if f.FieldType == numberField {
			kind = numbers
		}
		list = append(list, column{f.Name, kind})
	}
	return list
}
