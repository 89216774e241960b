package doctor

import (
	"context"
	"strings"

	"ferryman/internal/fault"
)

// Setting is a name of a setting and what is odd about it.
type Setting struct{ Name, Oddity string }

// Settings tells whether the settings could be read, and what is odd about them.
func Settings(count int, odd []Setting, err error) Check {
	return Check{"settings", func(context.Context) []Finding {
		var found []Finding
		if err != nil {
			f := failed(err)
			if fault.KindOf(err) == fault.Unconfigured && f.Remedy == "" {
				f.Remedy = "ferryman config show has them all, and where each comes from"
			}
			f.Detail = strings.ReplaceAll(f.Detail, "\n", " ")
			found = append(found, f)
		}
		for _, s := range odd {
			remedy := "see ferryman config show"
			if strings.HasPrefix(s.Oddity, "no such setting") {
				remedy = "correct the name, or remove it"
			}
			if strings.Contains(s.Oddity, "may read") {
				remedy = "take the right to read it from the others"
			}
			found = append(found, Doubtful(remedy, "%s: %s", s.Name, s.Oddity))
		}
		if len(found) == 0 {
			found = append(found, Well("all %d are valid", count))
		}
		return found
	}}
}
