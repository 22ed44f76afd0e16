//go:build browser

package browsertest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/as2drop/as2drop/internal/testpartner"
)

var update = flag.Bool("update", false, "write docs/screenshots anew")

// every page that a transfer, a message and a partner have.
func (b *browser) pages() []string {
	b.open("/transfers?stand=failed")
	failed := value[string](b, `document.querySelector(".transfers a").getAttribute("href")`)
	b.open("/transfers?stand=sent&partner=acme")
	sent := value[string](b, `document.querySelector(".transfers a").getAttribute("href")`)
	b.open("/received")
	received := value[string](b, `document.querySelector("[data-part=received] th a").getAttribute("href")`)
	return []string{"/", "/transfers", failed, sent, "/received", received, "/partners", "/partners/acme", "/partners/cumulus", "/schedule", "/health", "/events", "/none"}
}

// TestConsole is a morning of an operator.
func TestConsole(t *testing.T) {
	w := start(t)
	b := w.browser()

	// A wrong password says so and nothing else; the right one leads to the page that was asked for.
	b.open("/transfers")
	b.do(chromedp.SendKeys("#name", "anna", chromedp.ByQuery), chromedp.SendKeys("#password", "not it"+kb.Enter, chromedp.ByQuery), chromedp.WaitReady(".wrong", chromedp.ByQuery))
	b.shot("sign-in", 0)
	b.do(chromedp.SendKeys("#password", password+kb.Enter, chromedp.ByQuery), chromedp.WaitReady(".who button", chromedp.ByQuery))
	b.shows("Nothing was sent yet.")
	// What is dropped now shows by itself.
	w.drop("acme", "INV-2026-1001_timesheet.pdf", "INV-2026-1001.xml")
	b.shows("INV-2026-1001.xml")
	w.drop("acme", "INV-2026-1002.xml")
	w.drop("acme", "INV-2026-1003_photo.png", "INV-2026-1003_timesheet.pdf", "INV-2026-1003.xml")
	w.drop("borealis", "ORD-4711.xml")
	w.drop("cumulus", "INV-2026-1004.xml")
	w.drop("loopback", "DESADV-88.xml")
	w.drop("delta", "MODEL-9_drawing.dat", "MODEL-9.xml")

	t.Run("failed transfer is retried by its button", func(t *testing.T) { b.retries() })
	t.Run("search", func(t *testing.T) { b.searches() })
	t.Run("progress", func(t *testing.T) { b.progresses() })
	t.Run("partner is held and released", func(t *testing.T) { b.holds() })
	w.until("cumulus fails", func() bool { return len(w.partners["cumulus"].Posts()) >= 4 })
	b.open("/")
	b.shows("attempts in a row failed", "/")
	b.shows("DESADV-88.xml", "/received")
	w.drop("borealis", "ORD-4712.xml")
	w.partners["borealis"].Follow(func(int) testpartner.Behaviour { return testpartner.Rejects("decryption-failed") })
	w.drop("borealis", "ORD-4713_terms.pdf", "ORD-4713.xml")
	b.shows("ORD-4713.xml", "/transfers?stand=failed")

	t.Run("phone", func(t *testing.T) { b.phone() })
	t.Run("dark", func(t *testing.T) { b.darkness() })
	b.shots()
	t.Run("keyboard", func(t *testing.T) { b.keyboard() })
	t.Run("without JavaScript", func(t *testing.T) { b.withoutScript() })
}

func (b *browser) retries() {
	b.open("/transfers?stand=failed")
	b.shows("ORD-4711.xml", "/transfers?stand=failed")
	b.do(chromedp.Click(".transfers a", chromedp.ByQuery), chromedp.WaitReady("button[value=retry]", chromedp.ByQuery))
	b.shows("400")
	b.do(chromedp.SendKeys("#reason", "borealis has mended its server", chromedp.ByQuery), chromedp.Click("button[value=retry]", chromedp.ByQuery), chromedp.WaitReady("[role=status]", chromedp.ByQuery))
	b.shows("Retry by anna (console)")
	b.shows("Its files were sent again as")
	b.shows("borealis has mended its server")
	b.do(chromedp.Click(`//p[contains(., "sent again as")]/a`, chromedp.BySearch), chromedp.WaitReady(`//p[contains(., "It is a retry of")]`, chromedp.BySearch))
	b.until("the retry is sent", func() bool { return b.sees(`!!document.querySelector(".badge.big.ok")`) })
	if n := len(b.partners["borealis"].Delivered()); n != 1 {
		b.t.Errorf("%d messages were delivered", n)
	}
}

func (b *browser) searches() {
	b.shows("INV-2026-1003.xml", "/transfers")
	b.do(chromedp.SendKeys("#q", "1003"+kb.Enter, chromedp.ByQuery), chromedp.WaitReady(".go a", chromedp.ByQuery))
	if n := value[int](b, `document.querySelectorAll(".transfers tbody tr").length`); n != 1 {
		b.t.Errorf("%d lines: %s", n, b.text())
	}
	b.open("/transfers?q=1003&partner=borealis")
	b.shows("Nothing fits.")
}

func (b *browser) progresses() {
	b.shows("MODEL-9.xml", "/transfers?partner=delta")
	b.until("progress", func() bool {
		return b.sees(`(() => { const p = document.querySelector("progress"); return !!p && p.value > 0 && p.max > 20000000 && p.value < p.max })()`)
	})
}

func (b *browser) holds() {
	b.open("/partners/acme")
	b.do(chromedp.SendKeys("#reason", "audit", chromedp.ByQuery), chromedp.Click("button[value=hold]", chromedp.ByQuery), chromedp.WaitReady("[role=status]", chromedp.ByQuery))
	b.shows("Hold by anna (console)")
	b.until("the button to release", func() bool {
		b.open("/partners/acme")
		return b.sees(`!!document.querySelector("button[value=release]")`)
	})
	b.do(chromedp.Click("button[value=release]", chromedp.ByQuery), chromedp.WaitReady("[role=status]", chromedp.ByQuery))
	b.shows("Release by anna (console)")
}

// phone holds every page against a narrow screen: nothing may have to be moved sideways.
func (b *browser) phone() {
	b.size(375, 812, true)
	for _, path := range b.pages() {
		b.open(path)
		if wide := value[string](b, `(() => { const w = document.documentElement.clientWidth; const e = [...document.querySelectorAll("body *")].find((e) => e.getBoundingClientRect().right > w + 0.5 && !e.closest(".skip, .scroll, .unseen, thead")); return document.documentElement.scrollWidth > w || e ? document.documentElement.scrollWidth + " of " + w + ", " + (e ? e.outerHTML.slice(0, 200) : "") : "" })()`); wide != "" {
			b.t.Errorf("%s is too wide for a phone: %s", path, wide)
		}
	}
	b.size(1280, 860, false)
}

// darkness holds the theme against the wish of the system.
func (b *browser) darkness() {
	ground := func() string { return value[string](b, `getComputedStyle(document.body).backgroundColor`) }
	b.open("/")
	light := ground()
	b.dark(true)
	if dark := ground(); dark == light || dark != "rgb(16, 19, 26)" {
		b.t.Errorf("light %s, dark %s", light, dark)
	}
	b.dark(false)
}

// keyboard goes from the top of a page to a transfer and holds a partner without a mouse.
func (b *browser) keyboard() {
	b.open("/transfers")
	focused := func() string {
		return value[string](b, `(() => { const e = document.activeElement; const s = getComputedStyle(e); return (e.type === "date" || e.matches(":focus-visible") && s.outlineStyle !== "none" ? "" : "not visible: ") + (e.getAttribute("href") || e.id || e.value || e.textContent) })()`)
	}
	press := func(keys string) { b.do(chromedp.KeyEvent(keys)) }
	press(kb.Tab)
	if f := focused(); f != "#content" {
		b.t.Errorf("the first stop is %s", f)
	}
	var stops []string
	for range 30 {
		press(kb.Tab)
		stops = append(stops, focused())
	}
	got := strings.Join(stops, " ")
	if want := "/ / /transfers /received /partners /schedule /health /events Sign out q partner stand from"; !strings.HasPrefix(got, want) || strings.Contains(got, "not visible") {
		b.t.Errorf("stops: %s", got)
	}
	// The search by keys alone, and the first hit of it.
	b.do(chromedp.Focus("#q", chromedp.ByQuery), chromedp.KeyEvent("4711"+kb.Enter), chromedp.WaitReady(".go a", chromedp.ByQuery), chromedp.Focus(".transfers a", chromedp.ByQuery), chromedp.KeyEvent(kb.Enter), chromedp.WaitReady(".timeline", chromedp.ByQuery))
	b.shows("ORD-4711.xml")
}

// withoutScript reads, searches and acts with the script switched off.
func (b *browser) withoutScript() {
	b.do(emulation.SetScriptExecutionDisabled(true))
	b.open("/transfers")
	b.do(chromedp.WaitReady(".transfers a", chromedp.ByQuery), chromedp.SetValue("#q", "4713", chromedp.ByQuery), chromedp.Click(".go button", chromedp.ByQuery), chromedp.WaitReady(".go a", chromedp.ByQuery))
	b.do(chromedp.Click(".transfers a", chromedp.ByQuery), chromedp.WaitReady("button[value=retry]", chromedp.ByQuery))
	b.partners["borealis"].Follow(testpartner.Script(testpartner.Well))
	b.do(chromedp.Click("button[value=retry]", chromedp.ByQuery), chromedp.WaitReady("[role=status]", chromedp.ByQuery))
	var said string
	b.do(chromedp.Text("[role=status]", &said, chromedp.ByQuery))
	if !strings.Contains(said, "Retry by anna (console)") {
		b.t.Error(said)
	}
	b.do(emulation.SetScriptExecutionDisabled(false))
	b.shows("ORD-4713.xml", "/transfers?stand=sent&q=4713")
}

// shot writes a picture of what is to be seen, down to a height; 0 = the window.
func (b *browser) shot(name string, height int64) {
	b.t.Helper()
	if !*update {
		return
	}
	// The name of this machine belongs to nobody else.
	b.do(chromedp.Evaluate(`document.querySelector("footer span").textContent = "edi.example.com"; document.getElementById("live").remove(); document.activeElement.blur()`, nil))
	if height == 0 {
		height = 860
	}
	width := value[int64](b, `innerWidth`)
	b.size(width, height, width < 500)
	var png []byte
	b.do(chromedp.CaptureScreenshot(&png))
	file := filepath.Join("..", "..", "docs", "screenshots", name+".png")
	b.check(os.MkdirAll(filepath.Dir(file), 0o755))
	b.check(os.WriteFile(file, smaller(b.t, png), 0o644))
}

// shots are the pictures of the documents.
func (b *browser) shots() {
	if !*update {
		return
	}
	for _, s := range []struct {
		name, path string
		dark       bool
		width      int64
		height     int64
	}{
		{"overview", "/", false, 1280, 900}, {"overview-dark", "/", true, 1280, 900}, {"transfers", "/transfers", false, 1280, 700}, {"transfer-dark", "transfer", true, 1280, 820},
		{"overview-phone", "/", false, 375, 812}, {"transfers-phone", "/transfers", true, 375, 812},
	} {
		b.size(s.width, s.height, s.width < 500)
		b.dark(s.dark)
		if s.path == "transfer" {
			b.open("/transfers?stand=failed&q=4713")
			s.path = value[string](b, `document.querySelector(".transfers a").getAttribute("href")`)
		}
		b.open(s.path)
		b.shot(s.name, s.height)
	}
	b.dark(false)
	b.size(1280, 860, false)
}
