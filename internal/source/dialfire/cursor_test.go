package dialfire

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

func TestPlaceSurvivesItsCursor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "milliseconds")).UTC()
		})
		aWindow := rapid.Custom(func(t *rapid.T) *window {
			return &window{From: moment.Draw(t, "from"), To: moment.Draw(t, "to"), Page: rapid.String().Draw(t, "page")}
		})
		p := place{
			Version: placeVersion, Batch: rapid.Int64Min(0).Draw(t, "batch"), Start: moment.Draw(t, "start"),
			Events: span{moment.Draw(t, "events"), aWindow.Draw(t, "window")}, Calls: span{Window: aWindow.Draw(t, "calls")},
			Listed: moment.Draw(t, "listed"), Fields: fieldsSeen{"digest", moment.Draw(t, "fields")},
		}
		switch rapid.IntRange(0, 3).Draw(t, "under way") {
		case 1:
			p.beginJob(moment.Draw(t, "job"), moment.Draw(t, "began"))
		case 2:
			p.Job = &job{Began: moment.Draw(t, "began"), Listed: moment.Draw(t, "listed")}
		case 3:
			p.List = &listing{For: forRecheck, Began: moment.Draw(t, "began"), Since: "2026-01-01", Page: "x"}
		}
		text, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodePlace(text)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%s became %+v, %v, from %+v", text, again, err, p)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(`{"v":1,"n":3,"job":{"began":"2026-01-01T00:00:00Z"},"list":{"for":"job","began":"2026-01-01T00:00:00Z","pass":1}}`)
	f.Add(`{"v":1,"n":3,"events":{"through":"2026-01-01T00:00:00Z","window":{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := decodePlace(pipeline.Cursor(text))
		if err != nil {
			if fault.CodeOf(err) != "unreadable_cursor" {
				t.Errorf("got %v", err)
			}
			return
		}
		// Whatever it says, a read can go on with it.
		for range 2 * mostTails {
			if p.List == nil {
				break
			}
			if p.List.For == forJob {
				p.endPass(time.Now(), time.Hour, false)
			} else {
				p.endList()
			}
		}
		if p.Job != nil && !p.Job.Listed.IsZero() {
			p.endJob()
		}
	})
}
