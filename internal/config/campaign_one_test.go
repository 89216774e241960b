package config_test

import (
	"strings"
	"testing"

	"ferryman/internal/config"
	"ferryman/internal/fault"
)

// Where one campaign is wanted the others may be wrong, but not the file.
func TestOneCampaignOfAFile(t *testing.T) {
	in := input(t)
	in.OneCampaign = true
	write(t, in.Dir, "campaigns.yaml", `
campaigns:
- {id: C1, token: t, target: postgres://h/d}
- {id: C2, token: t, target: ftp://hunter2/}
- {id: C3, name: c1, token: t, target: postgres://h/d}
- hunter2
- {id: C4, token: t, target: postgres://h/d}
`)
	c, _ := load(t, in)
	if len(c.Campaigns) != 2 || c.Campaigns[0].ID != "C1" || c.Campaigns[1].ID != "C4" {
		t.Errorf("gives %+v", c.Campaigns)
	}
	want := []struct{ name, id, says string }{
		{"c2", "C2", "line 4: target: its scheme is none of"}, {"c1", "C3", "line 5: name: the campaign of line 3 has the same"}, {"", "", "line 6: a campaign is no mapping"},
	}
	if len(c.Refused) != len(want) {
		t.Fatalf("refuses %+v", c.Refused)
	}
	for i, r := range c.Refused {
		if w := want[i]; r.Name != w.name || r.ID != w.id || fault.KindOf(r.Err) != fault.Unconfigured || !strings.Contains(r.Err.Error(), w.says) ||
			strings.Contains(r.Err.Error(), "\n") || strings.Contains(r.Err.Error(), "hunter2") {
			t.Errorf("refuses %+v, want %+v", r, w)
		}
	}
	for _, broken := range []string{"campaigns: [{", "campaigns: {}", "others: []"} {
		write(t, in.Dir, "campaigns.yaml", broken)
		if _, _, err := config.Load(in); fault.KindOf(err) != fault.Unconfigured {
			t.Errorf("%s gives %v", broken, err)
		}
	}
}

// A field that says for which mode it is has an effect in that one.
func TestFieldsCount(t *testing.T) {
	for _, f := range config.CampaignFields() {
		if strings.HasPrefix(f.Help, "in mode webhook") && (f.Counts(config.ModeSync) || !f.Counts(config.ModeWebhook)) {
			t.Errorf("%s counts in %v", f.Key, f.Modes)
		}
	}
}
