package browser

import (
	"database/sql"
	"net/http"
	"path/filepath"

	"ferryman/internal/sandbox/campaign"
)

const (
	// aCampaign is how the record names the sandbox's campaign.
	aCampaign = "ferryman/contacts-sandbox"

	campaignPage = "/ui/syncs/contacts-sandbox"
	verifies     = "form[action$='/verify'] button"
)

// contactDeeds are done to the sync of a campaign, whose contacts change no more.
var contactDeeds = []deed{
	{name: "stop", posts: "syncs/{slug}/stop", at: campaignPage, do: func(c *scene) {
		c.await("the first run has ended well", "document.querySelector('#last .ok')")
		c.campaign(http.MethodPost, "quiesce", "")
		c.campaign(http.MethodPost, "faults", `{"kind":"hang"}`)
		c.follow(verifies)
		c.awaitText("#verify", "comparing")
		c.follow("form[action$='/stop'] button")
		c.awaitText("#verify", "it was called off")
		c.campaign(http.MethodDelete, "faults", "")
	}, record: "sync.stop", target: aCampaign},
	{name: "verify", posts: "syncs/{slug}/verify", do: func(c *scene) {
		c.lose(100)
		c.visit(campaignPage)
		c.follow(verifies)
		c.awaitText("#verify", "rows differ")
		c.await("it says which are missing", "/contacts.*missing/.test(document.querySelector('#verify details table').textContent.replace(/\\s+/g, ' '))")
	}, said: "rows differ", record: "sync.verify", target: aCampaign},
	{name: "repair", posts: "syncs/{slug}/repair", at: campaignPage, do: func(c *scene) {
		c.follow(c.opened("/repair") + " button")
		c.awaitText("#verify", "were made right")
	}, record: "sync.repair", target: aCampaign},
	{name: "verify again", posts: "syncs/{slug}/verify", at: campaignPage, do: func(c *scene) {
		c.follow(verifies)
		c.awaitText("#verify", "everything is as the source has it")
	}, record: "sync.verify", target: aCampaign},
}

// campaign makes a call of the simulated campaign's control API.
func (c *scene) campaign(method, path, body string) {
	c.t.Helper()
	fetch(c.t, "", method, c.told("${upstream}")+"/_sandbox/campaigns/"+campaign.DefaultCampaign+"/"+path, body)
}

// lose deletes so many contacts from the campaign's target.
func (c *scene) lose(n int64) {
	c.t.Helper()
	// The store's package has brought the driver along.
	target, err := sql.Open("sqlite", "file:"+filepath.Join(c.site.state, "sandbox", "contacts.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		c.t.Fatal(err)
	}
	defer target.Close()
	result, err := target.ExecContext(c.t.Context(), `DELETE FROM contacts WHERE "$id" IN (SELECT "$id" FROM contacts LIMIT $1)`, n)
	if err != nil {
		c.t.Fatal(err)
	}
	if lost, err := result.RowsAffected(); err != nil || lost != n {
		c.t.Fatalf("%d are lost, %v", lost, err)
	}
}
