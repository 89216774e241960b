package browser

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// pictures is where to put new pictures; "" takes none.
var pictures = flag.String("pictures", "", "take the documentation's pictures anew, into this folder")

// shots are the documentation's pictures, by file.
var shots = []struct {
	file  string
	place place
	dark  bool
}{
	{file: "overview", place: place{path: "/ui/"}},
	{file: "overview-dark", place: place{path: "/ui/"}, dark: true},
	{file: "crons", place: place{path: "/ui/crons?app=shop"}},
	{file: "cron", place: place{path: "/ui/crons?app=shop&search=sync-stock", link: "#crons a.name"}},
	{file: "run", place: place{path: "/ui/runs?status=failed", link: "td a[href*='/runs/']"}},
	{file: "timeline", place: place{path: "/ui/timeline?range=24h"}},
	{file: "syncs", place: place{path: "/ui/syncs"}},
	{file: "outbox", place: place{path: "/ui/outbox"}},
	{file: "delivery", place: place{path: "/ui/outbox?state=failed", link: "#deliveries td a[href*='/outbox/']"}},
	{file: "rejected", place: place{path: "/ui/rejected"}},
	{file: "channels", place: place{path: "/ui/channels"}},
	{file: "applications", place: place{path: "/ui/applications"}},
	{file: "maintenance", place: place{path: "/ui/maintenance"}},
	{file: "settings", place: place{path: "/ui/settings"}},
}

// Bounds of pictures.
const (
	pictureWidth = 1280
	pictureHigh  = 1000
	pictureBytes = 150_000
)

// TestPictures checks the documentation's pictures. "make screenshots" has it take
// them first, of a sandbox whose shop has told its past.
func TestPictures(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "docs", "images")
	if *pictures != "" {
		folder = *pictures
		takePictures(t, folder)
	}
	for _, shot := range shots {
		data, err := os.ReadFile(filepath.Join(folder, shot.file+".png"))
		if err != nil {
			t.Error(err)
			continue
		}
		size, err := png.DecodeConfig(bytes.NewReader(data))
		if err != nil || size.Width != pictureWidth || size.Height > pictureHigh || len(data) > pictureBytes {
			t.Errorf("%s.png is %d × %d, %d bytes, %v", shot.file, size.Width, size.Height, len(data), err)
		}
	}
}

func takePictures(t *testing.T, folder string) {
	t.Helper()
	state, err := os.MkdirTemp("/var/tmp", "shop-") //nolint:usetesting // it is seen on some pages: a short one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	s := &site{t: t, state: state, sandbox: true, shop: true}
	s.serve()
	key := s.ferryman("key", "create", "--app", "ferryman", "--scope", "admin")
	s.busy(key)
	b := newTab(t, s.URL)
	b.signIn(key)
	for _, shot := range shots {
		b.prefers(map[bool]string{false: "light", true: "dark"}[shot.dark])
		b.size(pictureWidth)
		b.at(shot.place)
		if b.count("body[data-live]") != 0 {
			b.live()
		}
		high := min(eval[int64](b, "Math.ceil(document.body.getBoundingClientRect().height)"), pictureHigh)
		must(b, "set the size", chromedp.EmulateViewport(pictureWidth, high))
		data := smaller(t, must(b, "take the picture", chromedp.CaptureScreenshot()))
		if err := os.WriteFile(filepath.Join(folder, shot.file+".png"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// busy makes something to look at: messages, refused calls, maintenance, and a shop
// whose past is told and in which something fails.
func (s *site) busy(key string) {
	s.t.Helper()
	s.ferryman("webhook", "add", "pager", "--url", "https://pager.example.com/hooks/ferryman")
	s.ferryman("app", "add", "accounts")
	s.ferryman("key", "create", "--app", "accounts")
	s.ferryman("maintenance", "add", "--all", "--from", "26h", "--for", "2h", "--reason", "new disks for the database")
	var messages []map[string]any
	for i, to := range []any{4711, 4712, "unknown", 4713, "blocked", 4714} {
		messages = append(messages, map[string]any{"user_id": to, "messenger_id": i % 3, "text": fmt.Sprintf("Your order %d is on its way.", 1041+i)})
	}
	for i := range 3 {
		at := time.Now().UTC().Add(time.Duration(1+20*i) * time.Hour).Format("2006-01-02T15:04:05")
		messages = append(messages, map[string]any{"user_id": 4711 + i, "messenger_id": 1, "text": fmt.Sprintf("Order %d waits for you at the counter.", 1041+i), "start_at": at})
	}
	body, err := json.Marshal(messages)
	if err != nil {
		s.t.Fatal(err)
	}
	s.call(key, http.MethodPost, "/messages/", string(body), nil)
	for i, agent := range []string{"curl/8.14.1", "shop-cron/2.1", "python-requests/2.32"} {
		s.refused([]string{"nightly-import", "stock", "invoice-mail"}[i], agent)
	}
	states := func() map[string]string {
		var page struct {
			Data []struct{ Slug, State string }
		}
		s.call(key, http.MethodGet, "/api/v1/crons?app=shop&limit=100", "", &page)
		all := map[string]string{}
		for _, c := range page.Data {
			all[c.Slug] = c.State
		}
		return all
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	late := time.After(3 * time.Minute)
	for now := states(); now["price-feed"] != "failing" || now["cleanup-tmp"] != "overdue" || now["report-weekly"] != "missed" || now["nightly-backup"] != "running"; now = states() {
		select {
		case <-tick.C:
		case <-late:
			s.t.Fatalf("the shop's crons are %v", now)
		}
	}
}

// refused makes a call with a key that is none.
func (s *site) refused(cron, agent string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/api/"+cron+"/start", http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("X-API-KEY", "fm_wrong")
	request.Header.Set("User-Agent", agent)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = response.Body.Close()
}

// smaller gives a picture in 256 colours: those that are seen most, and of the
// others those that differ most.
func smaller(t *testing.T, data []byte) []byte {
	t.Helper()
	in, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	bounds, often := in.Bounds(), map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(in.At(x, y)).(color.RGBA) }
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			often[at(x, y)]++
		}
	}
	out := image.NewPaletted(bounds, chosen(often))
	nearest := map[color.RGBA]uint8{}
	for c := range often {
		nearest[c] = uint8(out.Palette.Index(c)) // there are 256 at most
	}
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			out.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, out); err != nil {
		t.Fatal(err)
	}
	return small.Bytes()
}

// chosen gives up to 256 of the colours that are used so often.
func chosen(often map[color.RGBA]int) color.Palette {
	all := slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int { return cmp.Or(often[b]-often[a], cmp.Compare(packed(a), packed(b))) })
	first := min(len(all), 64)
	colours := color.Palette{}
	for _, c := range all[:first] {
		colours = append(colours, c)
	}
	rest := all[first:]
	for len(colours) < 256 && len(rest) > 0 {
		far, most := 0, -1
		for i, c := range rest {
			if d := distance(c, colours[colours.Index(c)].(color.RGBA)); d > most {
				far, most = i, d
			}
		}
		colours = append(colours, rest[far])
		rest = slices.Delete(rest, far, far+1)
	}
	return colours
}

func packed(c color.RGBA) int { return int(c.R)<<16 | int(c.G)<<8 | int(c.B) }

func distance(a, b color.RGBA) int {
	square := func(x, y uint8) int { d := int(x) - int(y); return d * d }
	return square(a.R, b.R) + square(a.G, b.G) + square(a.B, b.B)
}
