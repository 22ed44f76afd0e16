//go:build browser

package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium with a record of what it asked for and complained of.
type browser struct {
	*world
	ctx context.Context

	mu         sync.Mutex
	elsewhere  []string
	complaints []string
	asked      int
}

func (w *world) browser() *browser {
	w.t.Helper()
	program, err := exec.LookPath("chromium")
	w.check(err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(w.t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-color-profile", "srgb"), chromedp.WSURLReadTimeout(patience))
	parent, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(parent)
	w.t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			w.t.Error(err)
		}
		cancel()
		stop()
	})
	b := &browser{world: w, ctx: ctx}
	chromedp.ListenTarget(ctx, b.note)
	b.do(network.Enable(), cdplog.Enable(), runtime.Enable(), emulation.SetTimezoneOverride("UTC"))
	b.size(1280, 860, false)
	w.t.Cleanup(b.innocent)
	return b
}

func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked++
		// The browser draws its own buttons with data.
		if u, err := url.Parse(e.Request.URL); err != nil || "http://"+u.Host != b.url && u.Scheme != "data" {
			b.elsewhere = append(b.elsewhere, e.Request.URL)
		}
	case *cdplog.EventEntryAdded:
		if !strings.Contains(e.Entry.Text, "status of 401") && !strings.Contains(e.Entry.Text, "status of 404") { // a wrong password, and /none
			b.complaints = append(b.complaints, fmt.Sprintf("%s %s: %s", e.Entry.Level, e.Entry.Source, e.Entry.Text))
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, e.Args[0].Value.String())
	}
}

// innocent fails if the browser asked for anything elsewhere or complained.
func (b *browser) innocent() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.elsewhere) > 0 || len(b.complaints) > 0 || b.asked == 0 {
		b.t.Errorf("%d requests, elsewhere: %q, complaints: %q", b.asked, b.elsewhere, b.complaints)
	}
}

// do makes the browser do something, within the patience.
func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if b.asked == 0 { // the browser lives as long as the first context that it is run with
		ctx = b.ctx
	}
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatalf("%v, at %s", err, b.text())
	}
}

// text is what is to be read on the page, for people who look for a mistake.
func (b *browser) text() (text string) {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate(`location.href + " " + document.body.innerText`, &text)) // what there is
	return text
}

func (b *browser) size(width, height int64, mobile bool) {
	b.t.Helper()
	b.do(emulation.SetDeviceMetricsOverride(width, height, 1, mobile))
}

func (b *browser) dark(on bool) {
	b.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url+path), chromedp.WaitReady("footer", chromedp.ByQuery))
}

// shows waits until a text is to be read on the page. Without its script the page does not
// change by itself, so it is opened again.
func (b *browser) shows(text string, again ...string) {
	b.t.Helper()
	b.until(fmt.Sprintf("%q on %s", text, b.text()), func() bool {
		for _, path := range again {
			b.open(path)
		}
		return strings.Contains(b.text(), text)
	})
}

// value evaluates an expression.
func value[T any](b *browser, expression string) (v T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(expression, &v))
	return v
}

// sees reports whether an expression is true; while a page gives way to another it is not.
func (b *browser) sees(expression string) (v bool) {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate(expression, &v)) == nil && v
}
