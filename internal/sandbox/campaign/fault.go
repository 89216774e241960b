package campaign

import (
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/sandbox/faults"
)

// dialect is the faults of a campaign.
func dialect() faults.Dialect {
	return faults.Dialect{
		Early: []faults.Kind{faults.Refuse, faults.Hang, faults.Delay, faults.Status},
		Late:  []faults.Kind{faults.Reset, faults.Truncate, faults.InvalidJSON, faults.Slow, faults.Garbage, faults.Empty},
		Keys:  []string{"kind", "path", "times", "every", "after", "probability", "seed", "for", "status", "delay", "retry_after"},
		Complete: func(f *faults.Fault) error {
			f.Path = strings.TrimPrefix(f.Path, "/")
			if f.Path != "" && !slices.Contains(endpoints[:], f.Path) {
				return fmt.Errorf("path is %q, not one of %v", f.Path, endpoints)
			}
			return nil
		},
	}
}

const faultPrefix = "campaign:"

// IsFault tells whether a text is for ParseFault to read: it begins with "campaign:".
func IsFault(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), faultPrefix) }

// ParseFault reads a fault from a flag, such as
// "campaign:status=429,retry_after=2,path=contacts/list,times=3", "reset,every=10"
// or "campaign:slow,delay=5s". The kind may stand alone, as kind=…, or follow from
// status or delay. The path is one of the API's below the campaign.
func ParseFault(text string) (faults.Fault, error) {
	f, err := dialect().Parse(strings.TrimPrefix(strings.TrimSpace(text), faultPrefix))
	if err != nil {
		return faults.Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	return f, nil
}

// take uses up a fault that hits a call of the path, one of those that spoil answers
// or one of the others.
func (c *campaign) take(late bool, path string) *faults.Ordered {
	return c.faults.Take(late, func(f *faults.Fault) bool { return f.Path == "" || f.Path == path })
}
