package audit

import "strconv"

// Local is who calls a server that asks nobody for a key.
const Local = "local"

// Key is whoever holds a key, given by its public prefix without fm_ and the name
// of its application.
func Key(prefix, app string) string { return "key fm_" + prefix + " (" + app + ")" }

// Command is a user at the command line.
func Command(user string) string { return "cli " + user }

// Cron is a cron as a target. Its id comes first, since its slug may change.
func Cron(id int64, app, slug string) string {
	return numbered("cron", id) + " " + app + "/" + slug
}

// Execution is an execution as a target.
func Execution(id int64) string { return numbered("execution", id) }

// Delivery is a delivery, or a message, as a target.
func Delivery(id int64) string { return numbered("delivery", id) }

// Maintenance is a maintenance window as a target.
func Maintenance(id int64) string { return numbered("maintenance", id) }

// Session is somebody's session as a target.
func Session(id int64) string { return numbered("session", id) }

// Channel is a channel of the outbox as a target.
func Channel(name string) string { return "channel " + name }

// Application is an application as a target.
func Application(name string) string { return "app " + name }

// KeyTarget is a key as a target, given by its public prefix without fm_.
func KeyTarget(prefix string) string { return "key fm_" + prefix }

// Node is a node as a target.
func Node(name string) string { return "node " + name }

// Webhook is a registered webhook as a target.
func Webhook(name string) string { return "webhook " + name }

// Alert is somebody who is told of events, as a target.
func Alert(id int64) string { return numbered("alert", id) }

func numbered(kind string, id int64) string { return kind + " " + strconv.FormatInt(id, 10) }
