package main

import (
	"slices"
	"strings"

	"ferryman/internal/config"
)

// dbsyncOption is one flag of dbsync2: the original client's, or one of ours.
type dbsyncOption struct {
	name   string // without dashes
	key    string // of the field of a campaign that it sets; "" if it sets none
	file   bool   // it names a file that holds the field
	onOff  bool
	ours   bool // the original client does not know it
	value  string
	help   string
	expect string // for what sets no field
}

// variables are the names under which the environment may give o: the documented
// one, and the one that the original client reads.
func (o dbsyncOption) variables() []string {
	name := strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
	return []string{"DBSYNC_" + name, "DBSYNC" + name}
}

// dbsyncOptions are in the order of the help.
func dbsyncOptions() []dbsyncOption {
	original := []struct{ name, key string }{
		{"c", "id"}, {"ct", "token"}, {"a", "mode"}, {"url", "target"}, {"s", "start"}, {"fm", "filter"}, {"fp", "stage_prefix"},
		{"tp", "table_prefix"}, {"w", "workers"}, {"d", "connections"}, {"wr", "rate"}, {"wb", "burst"},
	}
	fields := config.CampaignFields()
	var all []dbsyncOption
	for _, o := range original {
		i := slices.IndexFunc(fields, func(f config.CampaignField) bool { return f.Key == o.key })
		all = append(all, ofField(o.name, fields[i]))
		if fields[i].Secret {
			all = append(all, fileOption(o.name, fields[i]))
		}
		fields = slices.Delete(fields, i, i+1)
	}
	all = append(all,
		dbsyncOption{name: "l", value: "0-5", help: "what is logged: 0 nothing, 1 and 2 errors, 3 warnings, 4 what is done, 5 everything (default 4)", expect: "a number from 0 to 5"},
		dbsyncOption{name: "v", onOff: true, help: "log to standard output, too, with everything"},
		dbsyncOption{name: "p", onOff: true, help: "serve profiles of this process, on loopback"},
	)
	for _, f := range fields {
		var o dbsyncOption
		switch {
		case f.Key == "secret": // a file alone will do for what is new
			o = fileOption(f.Key, f)
		default:
			o = ofField(flagName(f.Key), f)
			o.ours = true
		}
		all = append(all, o)
	}
	return append(all,
		dbsyncOption{name: "once", onOff: true, ours: true, help: "end after one cycle, also in the modes db_sync and webhook"},
		dbsyncOption{name: "dry-run", onOff: true, ours: true, help: "write nothing, and tell what one cycle would change"},
		dbsyncOption{name: "json", onOff: true, ours: true, help: "print one JSON object for each cycle"},
		dbsyncOption{name: "log-dir", value: "dir", ours: true, help: "folder of the log files", expect: "the path of a folder"},
	)
}

func ofField(name string, f config.CampaignField) dbsyncOption {
	help := f.Help
	if f.Default != "" && f.Metavar != "bool" {
		help += " (default " + f.Default + ")"
	}
	return dbsyncOption{name: name, key: f.Key, onOff: f.Metavar == "bool", value: f.Metavar, help: help}
}

func fileOption(name string, f config.CampaignField) dbsyncOption {
	return dbsyncOption{name: name + "-file", key: f.Key, file: true, ours: true, value: "file", help: "file that holds the " + f.Key}
}
