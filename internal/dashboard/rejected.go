package dashboard

import (
	"strconv"

	"ferryman/internal/params"
	"ferryman/internal/rejected"
)

const rejectedOnPage = 50

func (d *Dashboard) rejectedPages() []page {
	return []page{
		{Root + "rejected", "rejected", viewers, d.rejectedCalls, []string{"before"}},
	}
}

// rejectedPage is what the list of refused calls shows.
type rejectedPage struct {
	Rows  []rejectedRow
	More  string // the address of the next page; "" after the last
	First string // that of the first page; "" on it
	Wrong []advised
	URL   string // of this server
	App   string // of the viewer; "" for operators
}

// rejectedRow is calls that were refused alike.
type rejectedRow struct {
	rejected.Entry
	App string // the application's name; "" without a valid key
}

// advised is a code on the page, with what to do about it.
type advised struct {
	Code   string
	Advice string
}

// rejectedAdvice says what to do about the codes that people meet.
var rejectedAdvice = []advised{
	{"unauthorized", "No live key came with the call. Give the job one in the header X-API-KEY; the key of a shown prefix was revoked, has expired, or is not whole."},
	{"scope", "The key is good, and not for this: reports take a key of scope ping or admin. Make one for the application and give it to the job."},
	{"cron_unknown", "The application of the key has no cron of that slug. Look for a slip in the address or for the key of another application, or add the cron: a start with ?create=1 does so."},
	{"execution_unknown", "There is no run of that number: the end must name the number that the start gave, with a key of the same application."},
	{"cron_inactive", "The cron is switched off. Resume it, or take the job out of its crontab."},
	{"cron_paused", "The cron is paused, and starts again by itself when the pause is over."},
	{"already_running", "The run before has not ended, or never reported its end. Give the cron a longest run so that its place becomes free, or release it by hand."},
	{"already_ended", "The run had its end reported before, or ran past its limit. Report each end once."},
	{"ended_long_ago", "The run ended more than a day ago and takes no more messages."},
	{"own_sync", "Ferryman runs this cron itself: no program may report for it."},
	{"cron_invalid", "What the call says of the cron is not what it must be. The answer that the job got names the values."},
	{"invalid_values", "The body is JSON with wrong values. The answer that the job got names them."},
}

// rejectedCalls is the page of the calls that were refused lately, the newest first.
func (d *Dashboard) rejectedCalls(r *request) (view, error) {
	before, err := r.query.ID("before")
	if err != nil {
		return view{}, err
	}
	all, err := d.o.Rejected.List(r.Context(), r.viewer.AppID, before, rejectedOnPage+1)
	if err != nil {
		return view{}, err
	}
	p := rejectedPage{URL: serverURL(r)}
	if len(all) > rejectedOnPage {
		all = all[:rejectedOnPage]
		p.More = with(r.query, "rejected", "before", strconv.FormatInt(all[rejectedOnPage-1].ID, 10))
	}
	if before != 0 {
		p.First = with(params.Query{}, "rejected")
	}
	names, err := d.rejectedApps(r, &p)
	if err != nil {
		return view{}, err
	}
	met := map[string]bool{}
	for _, e := range all {
		name, known := names[e.AppID]
		if !known && e.AppID != 0 {
			name = "removed"
		}
		p.Rows = append(p.Rows, rejectedRow{e, name})
		met[e.Code] = true
	}
	for _, a := range rejectedAdvice {
		if met[a.Code] {
			p.Wrong = append(p.Wrong, a)
		}
	}
	return view{template: "rejectedcalls", title: "Rejected calls", data: p}, nil
}

// rejectedApps gives the names of the applications whose calls the viewer sees.
func (d *Dashboard) rejectedApps(r *request, p *rejectedPage) (map[int64]string, error) {
	if !r.viewer.Operator() {
		p.App = r.viewer.App
		return map[int64]string{r.viewer.AppID: r.viewer.App}, nil
	}
	apps, err := d.o.Keys.Applications(r.Context())
	names := make(map[int64]string, len(apps))
	for _, a := range apps {
		names[a.ID] = a.Name
	}
	return names, err
}
