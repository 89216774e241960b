package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"ferryman/internal/testwait"
)

// tab is a tab of the browser that shares no cookie with others. What a page must
// not do is noted, and fails the test at its end: errors on the console, what the
// policy forbids, requests to elsewhere, dialogs.
type tab struct {
	t    testing.TB
	ctx  context.Context //nolint:containedctx // a tab is a context to chromedp
	base string          // of the server

	mu       sync.Mutex
	problems []string
	expected []string // parts of problems that are none
	posted   []string // paths
}

// newTab opens a tab for a server.
func newTab(t testing.TB, base string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium.open(t), chromedp.WithNewBrowserContext())
	b := &tab{t: t, ctx: ctx, base: base}
	if err := chromedp.Listen(ctx, b.heed); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.problems {
			t.Error(p)
		}
	})
	b.size(1280)
	return b
}

func (b *tab) heed(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.base+"/") && !strings.HasPrefix(u, "data:") {
			b.note("a request goes elsewhere: " + u)
		}
		if e.Request.Method == http.MethodPost {
			b.post(strings.TrimPrefix(e.Request.URL, b.base))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			b.note(fmt.Sprintf("the console says: %s (%s)", e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		b.note(fmt.Sprintf("a script says something of kind %s", e.Type))
	case *runtime.EventExceptionThrown:
		b.note("a script fails: " + e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		b.note("a dialog opens: " + e.Message)
		go func() { // answered, so that the page goes on
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	}
}

func (b *tab) note(problem string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, part := range b.expected {
		if strings.Contains(problem, part) {
			return
		}
	}
	b.problems = append(b.problems, problem)
}

func (b *tab) post(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.posted = append(b.posted, path)
}

// hasPosted tells whether a form was posted to such a path, and forgets all if so.
func (b *tab) hasPosted(to func(path string) bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	has := slices.ContainsFunc(b.posted, to)
	if has {
		b.posted = nil
	}
	return has
}

// expect has problems with this text count as none from now on.
func (b *tab) expect(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, part)
}

// taken gives the problems so far and forgets them.
func (b *tab) taken() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.problems
	b.problems = nil
	return all
}

// within runs a step for as long as a test may wait.
func within[T any](b *tab, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, testwait.Limit)
	defer cancel()
	return chromedp.Run(ctx, a)
}

// must is within for what cannot fail.
func must[T any](b *tab, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := within(b, a)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return v
}

// visit opens a page of the server and waits until it is loaded.
func (b *tab) visit(path string) {
	b.t.Helper()
	must(b, "open "+path, chromedp.Navigate(b.base+path))
	// What was told may have been of the page before.
	b.await(path+" is loaded", "document.body && document.readyState === 'complete'")
}

// eval gives the value of a script's expression.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	return must(b, script, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// await waits until an expression is true, on whatever page that is then.
func (b *tab) await(what, script string) {
	b.t.Helper()
	defer func() {
		if b.t.Failed() {
			if text, err := within(b, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText")); err == nil {
				b.t.Logf("the page is %s", text)
			}
		}
	}()
	testwait.Until(b.t, what, func() bool {
		yes, err := within(b, chromedp.Evaluate[bool]("!!("+script+")"))
		if err != nil && errors.Is(err, context.Canceled) {
			b.t.Fatalf("%s: %v", what, err)
		}
		return err == nil && yes // between two pages nothing can be asked
	})
}

// awaitText waits until an element shows a text.
func (b *tab) awaitText(selector, text string) {
	b.t.Helper()
	b.await(fmt.Sprintf("%s shows %q", selector, text), fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text))
}

// text gives what an element shows.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// count gives how many elements there are.
func (b *tab) count(selector string) int {
	b.t.Helper()
	return eval[int](b, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// click clicks an element with the mouse, once it is there and nothing covers it.
// A live page may put another in its place at any time: so it is looked for until
// the click has gone to it.
func (b *tab) click(selector string) {
	b.t.Helper()
	aim := fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		if (!e || !e.checkVisibility({visibilityProperty: true})) return null;
		e.scrollIntoView({block: 'center', behavior: 'instant'});
		const box = e.getBoundingClientRect(), x = box.left + box.width / 2, y = box.top + box.height / 2, hit = document.elementFromPoint(x, y);
		return hit && (e.contains(hit) || hit.contains(e)) ? [x, y] : null;
	})()`, selector)
	var at []float64
	testwait.Until(b.t, selector+" can be clicked", func() bool {
		var err error
		at, err = within(b, chromedp.Evaluate[[]float64](aim))
		return err == nil && at != nil
	})
	must(b, "click "+selector, chromedp.MouseClickXY(at[0], at[1]))
}

// follow clicks what leads to another page, and waits for that.
func (b *tab) follow(selector string) {
	b.t.Helper()
	eval[chromedp.Void](b, "document.documentElement.dataset.before = 'yes'")
	b.click(selector)
	b.await("a page after "+selector, "!document.documentElement.dataset.before && document.readyState === 'complete'")
}

// press sends keys to whatever has the focus. As with a keyboard, a page that keeps
// a key for itself keeps its letter out of the field.
func (b *tab) press(keys string) {
	b.t.Helper()
	must(b, "press "+keys, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		for _, r := range keys {
			strokes := kb.Encode(r)
			down, up := strokes[0], strokes[len(strokes)-1]
			if len(strokes) == 3 {
				down.Text, down.UnmodifiedText = strokes[1].Text, strokes[1].UnmodifiedText
				down.Type = input.DispatchKeyEventTypeKeyDown
			}
			for _, stroke := range []*input.DispatchKeyEventParams{down, up} {
				if _, err := chromedp.Call(ctx, input.DispatchKeyEvent, *stroke); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// fill puts a value into a field, or chooses one, as a program that fills in forms
// would.
func (b *tab) fill(selector, value string) {
	b.t.Helper()
	b.await(selector+" is there", fmt.Sprintf("document.querySelector(%q)", selector))
	eval[bool](b, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.focus(); // as people do: what has the focus is not replaced
		e.value = %q;
		e.dispatchEvent(new Event('input', {bubbles: true}));
		e.dispatchEvent(new Event('change', {bubbles: true}));
		return true;
	})()`, selector, value))
}

// size sets the width of the window, in pixels.
func (b *tab) size(width int64) {
	b.t.Helper()
	must(b, "set the width", chromedp.EmulateViewport(width, 800))
}

// withoutScripts has the browser run no script of pages.
func (b *tab) withoutScripts() {
	b.t.Helper()
	must(b, "switch scripts off", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// zone puts the browser into a time zone.
func (b *tab) zone(name string) {
	b.t.Helper()
	must(b, "move to "+name, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: name})
		return err
	}))
}
