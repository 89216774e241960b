package dashboard

import (
	"ferryman/internal/ledger"
)

func (d *Dashboard) cronPages() []page {
	return []page{
		{Root + "crons", "crons", viewers, d.crons, []string{"state", "kind", "app", "search", "after"}},
		{Root + "crons/new", "crons", viewers, d.newCron, []string{"app", "slug"}},
		{Root + "crons/{id}", "crons", viewers, d.cron, []string{"status", "before"}},
		{Root + "crons/{id}/edit", "crons", viewers, d.editCron, nil},
	}
}

func (d *Dashboard) cronActions() []action {
	one := Root + "crons/{id}/"
	return []action{
		{Root + "crons/new", "cron.create", viewers, d.createCron},
		{one + "edit", "cron.edit", viewers, d.changeCron},
		{one + "pause", "cron.pause", viewers, d.pauseCron},
		{one + "resume", "cron.resume", viewers, d.resumeCron},
		{one + "mute", "cron.mute", viewers, d.muteCron},
		{one + "unmute", "cron.unmute", viewers, d.unmuteCron},
		{one + "snooze", "cron.snooze", viewers, d.snoozeCron},
		{one + "release", "cron.release", viewers, d.releaseCron},
		{one + "run", "cron.run", operators, d.runCron},
		{one + "delete", "cron.delete", viewers, d.deleteCron},
	}
}

func (d *Dashboard) cronFiles() []file {
	return []file{
		{Root + "crons/{id}/strip", viewers, d.cronStrip, inPerson},
		{Root + "crons/{id}/menu", viewers, d.cronMenu, inPerson},
	}
}

// cronAsked gives the cron that a path names by its id; nobody is told of those of
// other applications.
func cronAsked(r *request) (ledger.Ref, error) {
	id, ok := ledger.ParseID(r.PathValue("id"))
	if !ok {
		return ledger.Ref{}, ledger.ErrNoCron
	}
	return ledger.Ref{ID: id}, nil
}
