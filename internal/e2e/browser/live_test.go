package browser

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// stay marks the page, so that it shows if another comes in its place.
func (b *tab) stay() {
	b.t.Helper()
	eval[string](b, "document.documentElement.dataset.stayed = 'yes'")
}

// stayed checks that the page is still the one that was marked.
func (b *tab) stayed() {
	b.t.Helper()
	if !eval[bool](b, "document.documentElement.dataset.stayed === 'yes'") {
		b.t.Error("the page was loaded anew")
	}
}

// live waits until the page has its stream of changes.
func (b *tab) live() {
	b.t.Helper()
	b.await("the page is live", "document.querySelector('#live')?.dataset.state === 'live'")
}

func TestRunIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	key := s.ferryman("key", "create", "--app", "shop")
	id := s.start(key, "nightly")
	b := newTab(t, s.URL)
	b.visit("/ui/runs/" + id)
	b.stay()
	b.awaitText("#run .lead", "running")
	s.say(key, id, "info", "first of all")
	b.awaitText("#messages", "first of all")
	s.say(key, id, "warning", "<b>second</b>")
	b.awaitText("#messages li.warning", "<b>second</b>")
	s.end(key, id, true)
	b.awaitText("#messages", "all done")
	b.awaitText("#run .lead", "ok")
	b.stayed()
	if n := b.count("#messages li"); n != 3 {
		t.Errorf("%d messages are shown, and not 3", n)
	}
}

// Somebody who reads further up is not moved, and told how much is new.
func TestFollowingStopsForWhoReads(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	key := s.ferryman("key", "create", "--app", "shop")
	id := s.start(key, "nightly")
	s.say(key, id, "info", strings.Join(numbered(200, "row"), "\n"))
	b := newTab(t, s.URL)
	b.visit("/ui/runs/" + id)
	b.await("it follows", "document.querySelector('#follow').getAttribute('aria-pressed') === 'true' && document.querySelector('#messages').scrollTop > 0")
	eval[int](b, "document.querySelector('#messages').scrollTop = 0")
	b.await("it follows no more", "document.querySelector('#follow').getAttribute('aria-pressed') === 'false'")
	s.say(key, id, "info", "something new")
	b.awaitText("#unseen", "1 new")
	if top := eval[int](b, "document.querySelector('#messages').scrollTop"); top != 0 {
		t.Errorf("it was scrolled to %d", top)
	}
	b.press("f")
	b.await("it follows again", "document.querySelector('#unseen').hidden && document.querySelector('#messages').scrollTop > 0")
}

func TestOverviewIsLive(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	key := s.ferryman("key", "create", "--app", "shop")
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := newTab(t, s.URL)
	b.visit("/ui/")
	b.stay()
	b.live()
	id := s.start(key, "nightly")
	b.awaitText("#running", "nightly")

	b.expect("ERR_CONNECTION_REFUSED")
	b.expect("ERR_INCOMPLETE_CHUNKED_ENCODING")
	if code := s.Stop(); code != 0 {
		t.Errorf("the server ends with %d while a page is open", code)
	}
	b.await("it reconnects", "document.querySelector('#live').dataset.state === 'reconnecting'")
	s.serve("--listen", at.Host)
	b.live()
	s.end(key, id, false)
	b.await("nothing runs", "!document.querySelector('#running li')")
	b.awaitText("#attention", "it broke")
	b.await("the title counts what fails", "document.title.startsWith('(')")
	b.await("the icon is red", "document.querySelector('link[rel=icon]').href.includes('alarm')")
	b.stayed()
}

func TestLiveCanBePaused(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	key := s.ferryman("key", "create", "--app", "shop")
	paused, other := newTab(t, s.URL), newTab(t, s.URL)
	paused.visit("/ui/")
	paused.live()
	paused.press("p")
	paused.await("it is paused", "document.querySelector('#live').dataset.state === 'paused'")
	other.visit("/ui/")
	other.live()
	s.start(key, "nightly")
	other.awaitText("#running", "nightly")
	if text := paused.text("#running"); strings.Contains(text, "nightly") {
		t.Errorf("a paused page shows %s", text)
	}
	paused.click("#live")
	paused.awaitText("#running", "nightly")
	paused.live()
}

func TestFailureIsTwoClicksAway(t *testing.T) {
	t.Parallel()
	s := full(t)
	b := newTab(t, s.URL)
	b.visit("/ui/")
	const failing = "#attention tbody tr td a[aria-label$='failing']"
	slug, _, _ := strings.Cut(eval[string](b, `document.querySelector("`+failing+`").getAttribute('aria-label')`), ":")
	b.follow(failing)
	b.awaitText("#run .lead", "failed")
	b.awaitText("#messages", "rows")
	b.follow(".crumbs a:last-child")
	b.awaitText(".crumbs", slug)
	b.awaitText("#standing", "Failing since")
}

// A browser that asks and does not read holds nobody up.
func TestSlowBrowsers(t *testing.T) {
	t.Parallel()
	s := full(t)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	narrow := net.Dialer{Control: takesLittle}
	for i := range 100 {
		conn, err := narrow.DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		path := []string{"/ui/live", "/ui/runs", "/ui/crons", "/ui/timeline"}[i%4]
		for range 20 { // more than the connection takes unread
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, u.Host); err != nil {
				t.Fatal(err)
			}
		}
	}
	key := s.ferryman("key", "create", "--app", "app-03")
	b := newTab(t, s.URL)
	b.visit("/ui/")
	b.live()
	s.start(key, "cron-03-05")
	b.awaitText("#running", "cron-03-05")
}

// takesLittle has a connection take little unread, in little packets: else the kernel
// would take megabytes from the server, and that would have to make them first.
func takesLittle(_, _ string, c syscall.RawConn) error {
	var err error
	if failed := c.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096),
		)
	}); failed != nil {
		return failed
	}
	return err
}
