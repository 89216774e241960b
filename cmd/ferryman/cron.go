package main

import "github.com/spf13/cobra"

func newCron() *cobra.Command {
	return group("cron", "Manage crons, and run commands as crons",
		newCronExec(), newCronSpool(), newCronAdd(), newCronList(), newCronShow(), newCronEdit(), newCronPause(), newCronResume(), newCronSnooze(),
		newCronMute(true), newCronMute(false), newCronRelease(), newCronRemove())
}
