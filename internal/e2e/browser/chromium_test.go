package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// binary is the built program.
var binary string

// chromium is the one browser of all tests. It starts with the first that needs it.
var chromium browser

type browser struct {
	once sync.Once
	err  error
	ctx  context.Context //nolint:containedctx // a browser is a context to chromedp
	stop []func()
}

// names of the program, as distributions have it.
var names = []string{"chromium", "chromium-browser", "google-chrome"}

// open gives a context in which tabs can be opened. Without a browser the test is
// skipped, or fails where everything that tests need has to be there.
func (b *browser) open(t testing.TB) context.Context {
	t.Helper()
	path := ""
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		const missing = `no Chromium is installed: run "make test", or scripts/testdb up, first`
		if os.Getenv("CI") != "" || os.Getenv("FERRYMAN_TEST_REQUIRE_DB") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	b.once.Do(func() { b.err = b.start(path) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.ctx
}

func (b *browser) start(path string) error {
	profile, err := os.MkdirTemp("", "ferryman-chromium-")
	if err != nil {
		return err
	}
	b.stop = append(b.stop, func() { _ = os.RemoveAll(profile) })
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 800),
		// Nothing but the server under test is asked for anything.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-domain-reliability", true), chromedp.Flag("no-pings", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("lang", "en-US"), chromedp.Env("TZ=UTC"),
		chromedp.WSURLReadTimeout(2*time.Minute), // beside compilers
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	b.stop = append(b.stop, cancel)
	b.ctx, cancel = chromedp.NewContext(ctx)
	b.stop = append(b.stop, cancel)
	if err := chromedp.Do(b.ctx); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	return nil
}

// close ends the browser's process and removes its profile.
func (b *browser) close() {
	for _, stop := range slices.Backward(b.stop) {
		stop()
	}
}
