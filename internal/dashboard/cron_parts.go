package dashboard

import (
	"bytes"
	"fmt"
	"net/http"

	"ferryman/internal/ledger"
)

// The list of crons holds what one sees at a glance. The rest of a row, which would
// make it three times as large, is asked for by whoever points at it; without a
// script, the page of the cron has all that.

// cronStrip gives the bars of a row as links to the runs.
func (d *Dashboard) cronStrip(w http.ResponseWriter, r *request) error {
	c, err := d.cronOfRow(r)
	if err != nil {
		return err
	}
	strips, err := d.o.Ledger.Strips(r.Context(), []int64{c.ID}, cronsStrip)
	if err != nil {
		return err
	}
	writeHTML(w, r.Request, http.StatusOK, []byte(r.strip("Last runs of "+visible(c.Name), strips[c.ID], cronsStrip)))
	return nil
}

// cronMenu gives what can be done to the cron of a row. Afterwards one is led back to
// the list, whose address is asked for with it.
func (d *Dashboard) cronMenu(w http.ResponseWriter, r *request) error {
	if err := r.viewer.mayAct(); err != nil {
		return err
	}
	c, err := d.cronOfRow(r)
	if err != nil {
		return err
	}
	f := frame{
		Root: Root, Viewer: r.viewer, Now: r.now, Path: localPath(r.URL.Query().Get("back")), Zone: r.zone.String(), CSRF: d.csrf(r.viewer), r: r,
		Data: cronRow{CronStatus: c, CanBe: d.cronCan(&c, r.now)},
	}
	var menu bytes.Buffer
	if err := d.views["crons"].ExecuteTemplate(&menu, "cronmenu", f); err != nil {
		return fmt.Errorf("render the menu of a cron: %w", err)
	}
	writeHTML(w, r.Request, http.StatusOK, menu.Bytes())
	return nil
}

func (d *Dashboard) cronOfRow(r *request) (ledger.CronStatus, error) {
	ref, err := cronAsked(r)
	if err != nil {
		return ledger.CronStatus{}, err
	}
	return d.o.Ledger.CronStatus(r.Context(), r.viewer.AppID, ref)
}
