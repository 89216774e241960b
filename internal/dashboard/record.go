package dashboard

import (
	"net/url"
	"strconv"
	"strings"

	"ferryman/internal/audit"
)

const recordOnPage = 50

// recordPage is what the record of what was done shows.
type recordPage struct {
	Action string // what the actions contain
	Rows   []recordRow
	More   string // the address of the next page; "" after the last
	First  string // that of the first page; "" on it
}

// recordRow is something that was done.
type recordRow struct {
	audit.Entry
	Link string // the page of what it was done to; "" if there is none
}

// record is the page of what people did, the newest first.
func (d *Dashboard) record(r *request) (view, error) {
	var p recordPage
	var err error
	if p.Action, _, err = r.query.Text("action", maxAsked); err != nil {
		return view{}, err
	}
	p.Action = strings.TrimSpace(p.Action)
	before, err := r.query.ID("before")
	if err != nil {
		return view{}, err
	}
	entries, next, err := d.o.Audit.Find(r.Context(), p.Action, before, recordOnPage)
	if err != nil {
		return view{}, err
	}
	for _, e := range entries {
		p.Rows = append(p.Rows, recordRow{e, recordLink(e)})
	}
	if next != 0 {
		p.More = with(r.query, "record", "before", strconv.FormatInt(next, 10))
	}
	if before != 0 {
		p.First = with(r.query, "record", "before", "")
	}
	return view{template: "record", title: "What was done", data: p}, nil
}

// recordLink is the page of what an entry is about; "" where there is none, or none
// any more. What the names of targets may hold is up to who made them.
func recordLink(e audit.Entry) string {
	kind, rest, _ := strings.Cut(e.Target, " ")
	which, _, _ := strings.Cut(rest, " ")
	if which == "" {
		return ""
	}
	switch kind {
	case "cron":
		if e.Action == "cron.delete" {
			return ""
		}
		return numberedPage("crons/", which)
	case "execution":
		return numberedPage("runs/", which)
	case "delivery":
		return numberedPage("outbox/", which)
	case "app":
		if e.Action == "app.remove" {
			return ""
		}
		return Root + "applications/" + url.PathEscape(which)
	case "key": // the pages have it with its application, which the detail names
		if app, named := strings.CutPrefix(e.Detail, audit.Application("")); named && app != "" {
			return Root + "applications/" + url.PathEscape(app) + "?ended=1"
		}
		return ""
	case "channel", "webhook", "alert":
		return Root + "channels"
	case "maintenance":
		return Root + "maintenance"
	case "session":
		return Root + "settings#sessions"
	}
	return ""
}

func numberedPage(folder, id string) string {
	if _, err := strconv.ParseUint(id, 10, 63); err != nil {
		return ""
	}
	return Root + folder + id
}
