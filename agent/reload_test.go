package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/ledger"
)

// journal is a log that tests read.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) holds(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.b.String(), text)
}

// live is an agent whose config a test rewrites.
type live struct {
	t      *testing.T
	cfg    *config.Config
	dir    string
	log    *journal
	reload chan struct{}
}

func startLive(t *testing.T, others map[string]string) *live {
	cfg, dir := setUp(t, others)
	l := &live{t: t, cfg: cfg, dir: dir, log: &journal{}, reload: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	listening, ended := make(chan bool), make(chan error, 1)
	go func() {
		ended <- Run(ctx, cfg, Options{Log: slog.New(slog.NewTextHandler(l.log, nil)), Version: "test", Reload: l.reload, Listening: func([]string) { close(listening) }})
	}()
	select {
	case <-listening:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(l.log.b.String())
		}
	})
	return l
}

// write changes the text of the config and tells nobody.
func (l *live) write(change func(string) string) {
	l.t.Helper()
	text, err := os.ReadFile(l.cfg.Path)
	if err == nil {
		err = os.WriteFile(l.cfg.Path, []byte(change(string(text))), 0o600)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// rewrite changes the text of the config and asks for it to be read.
func (l *live) rewrite(change func(string) string) {
	l.t.Helper()
	l.write(change)
	l.reload <- struct{}{}
}

func (l *live) logs(text string) {
	l.t.Helper()
	eventually(l.t, "the log says "+text, func() bool { return l.log.holds(text) })
}

func (l *live) sent(partner, key string) {
	l.t.Helper()
	eventually(l.t, key+" is sent to "+partner, func() bool {
		found, _ := filepath.Glob(filepath.Join(l.dir, "data", "partners", partner, "sent", "*", key+".*", "transfer.json"))
		return len(found) == 1
	})
}

func appended(more string) func(string) string { return func(s string) string { return s + more } }

func substituted(old, new string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, new) }
}

// hanging is a partner's server that answers nobody until the test ends.
func hanging(t *testing.T) (url string, posts chan *http.Request) {
	hang := make(chan struct{})
	posts = make(chan *http.Request, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else nobody notices that the client has gone
		posts <- r
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(hang) })
	return s.URL, posts
}

// Partners come and go, and a message that is being posted to another one goes on.
func TestPartnersComeAndGo(t *testing.T) {
	url, posts := hanging(t)
	l := startLive(t, map[string]string{"slow": url, "old": "http://127.0.0.1:1/"})
	drop(t, l.dir, "slow", "S-1.xml")
	hung := <-posts
	l.rewrite(func(s string) string {
		before, rest, _ := strings.Cut(s, "  old:")
		_, after, _ := strings.Cut(rest, "\n")
		return before + after + "  fresh: {as2_id: FRESH, station: self, url: \"http://127.0.0.1:1/\", allow_http: true, certificates: self.pem, naming: {quiet: 0s}, retry: {attempts: 1}}\n"
	})
	l.logs("path=partners.fresh change=added")
	l.logs("path=partners.old change=removed")
	drop(t, l.dir, "fresh", "F-1.xml")
	eventually(t, "the new partner is tried", func() bool {
		found, _ := filepath.Glob(filepath.Join(l.dir, "data", "partners", "fresh", "failed", "F-1.*", "WHY.txt"))
		return len(found) == 1
	})
	drop(t, l.dir, "loopback", "L-1.xml")
	l.sent("loopback", "L-1")
	if err := hung.Context().Err(); err != nil {
		t.Errorf("the POST to a partner of whom nothing was said was ended: %v", err)
	}
	// What is dropped for a partner that is gone stays, and is sent when it is back.
	drop(t, l.dir, "old", "O-1.xml")
	l.rewrite(appended("  old: {as2_id: OLD, station: self, url: \"" + url + "\", allow_http: true, certificates: self.pem, naming: {quiet: 0s}}\n"))
	if r := <-posts; r.Header.Get("As2-To") != "OLD" {
		t.Errorf("posted to %q", r.Header.Get("As2-To"))
	}
}

// A partner that leaves while a message is being posted to it and comes back posts it
// again, under the same Message-ID.
func TestAPartnerThatLeavesWhilePosting(t *testing.T) {
	url, posts := hanging(t)
	l := startLive(t, map[string]string{"slow": url})
	drop(t, l.dir, "slow", "S-1.xml")
	first := <-posts
	text, err := os.ReadFile(l.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	l.rewrite(func(s string) string { return s[:strings.Index(s, "  slow:")] })
	<-first.Context().Done()
	l.logs("transfers that are not settled")
	l.rewrite(func(string) string { return string(text) })
	if again := <-posts; again.Header.Get("Message-Id") != first.Header.Get("Message-Id") {
		t.Errorf("posted under %q, then under %q", first.Header.Get("Message-Id"), again.Header.Get("Message-Id"))
	}
}

// A mistake anywhere, and nothing of the file counts; it is told with its line. Corrected,
// it is taken without anybody asking.
func TestAllOrNothing(t *testing.T) {
	l := startLive(t, nil)
	fresh := "  fresh: {as2_id: FRESH, station: self, certificates: self.pem, naming: {quiet: 0s}}\n"
	l.rewrite(appended(fresh + "  wrong: {as2_id: WRONG, station: nobody, certificates: self.pem}\n"))
	l.logs("config.yaml:8: partners.wrong.station")
	l.logs("the config was not taken; the former one stays in force")
	if _, err := os.Stat(filepath.Join(l.dir, "data", "partners", "fresh")); err == nil {
		t.Error("half of it was taken")
	}
	drop(t, l.dir, "loopback", "L-1.xml")
	l.sent("loopback", "L-1")
	l.write(func(s string) string { return s[:strings.Index(s, "  wrong:")] })
	l.logs("path=partners.fresh change=added")
	l.rewrite(substituted("data_dir: data", "data_dir: elsewhere"))
	l.logs("data_dir cannot change")
	i, err := Inspect(t.Context(), l.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	var codes []string
	err = i.Ledger().View(t.Context(), func(tx *ledger.Tx) error {
		events, err := tx.RecentEvents("", 10)
		for _, e := range events {
			codes = append(codes, e.Code)
		}
		return err
	})
	if err != nil || fmt.Sprint(codes[:2]) != "[config-refused config-refused]" {
		t.Errorf("events: %q, %v", codes, err)
	}
}

// renew replaces a key pair of the test's.
func (l *live) renew(name string) {
	l.t.Helper()
	for _, half := range []string{".pem", ".key"} {
		if err := os.Remove(filepath.Join(l.dir, name+half)); err != nil {
			l.t.Fatal(err)
		}
	}
	r := keys.Request{Name: name + " renewed", Hosts: []string{"127.0.0.1"}, Bits: 2048, Now: time.Now()}
	if err := keys.Make(r, filepath.Join(l.dir, name+".pem"), filepath.Join(l.dir, name+".key")); err != nil {
		l.t.Fatal(err)
	}
}

// A certificate that is exchanged in its file is shown at the next connection, the address
// stays open.
func TestRenewedTLSCertificate(t *testing.T) {
	l := startLive(t, nil)
	l.renew("tls")
	l.reload <- struct{}{}
	l.logs("tls renewed")
	c, err := tls.Dial("tcp", l.cfg.Listen[0].Address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if name := c.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "tls renewed" {
		t.Errorf("shown: %q", name)
	}
	drop(t, l.dir, "loopback", "L-1.xml")
	l.sent("loopback", "L-1")
}

// Addresses come and go; one that is in use keeps the whole config out.
func TestListenersComeAndGo(t *testing.T) {
	l := startLive(t, nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second := func(address string) func(string) string {
		return substituted("listen: [", fmt.Sprintf("listen: [{address: %q, certificate: tls.pem, key: tls.key}, ", address))
	}
	l.rewrite(second(taken.Addr().String()))
	l.logs("listen[0].address: listen tcp " + taken.Addr().String())
	taken.Close()
	l.reload <- struct{}{}
	l.logs("the config was taken")
	dial := func() error {
		c, err := tls.Dial("tcp", taken.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := dial(); err != nil {
		t.Error(err)
	}
	l.rewrite(func(s string) string {
		return strings.Replace(s, fmt.Sprintf("{address: %q, certificate: tls.pem, key: tls.key}, ", taken.Addr().String()), "", 1)
	})
	eventually(t, "nobody listens there any more", func() bool { return dial() != nil })
	drop(t, l.dir, "loopback", "L-1.xml")
	l.sent("loopback", "L-1")
}

// What was held for want of a url goes on when there is one.
func TestAHoldEndsWithItsCause(t *testing.T) {
	l := startLive(t, nil)
	without := "  mute: {as2_id: MUTE, station: self, certificates: self.pem, naming: {quiet: 0s}, send: {receipt: none}}\n"
	l.rewrite(appended(without))
	l.logs("path=partners.mute change=added")
	drop(t, l.dir, "mute", "M-1.xml")
	l.logs("the partner has no url")
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	l.rewrite(substituted("as2_id: MUTE,", fmt.Sprintf("as2_id: MUTE, url: %q, allow_http: true,", s.URL)))
	l.sent("mute", "M-1")
}

// A folder that goes away pauses its partner: what comes is asked for again, not refused.
// When it is back, also as another folder under the same path, everything goes on.
func TestAFolderThatComesBack(t *testing.T) {
	volumesVanish(t)
	l := startLive(t, nil)
	folder := filepath.Join(l.dir, "data", "partners", "loopback")
	drop(t, l.dir, "loopback", "L-1.xml")
	l.sent("loopback", "L-1")
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder+".copy", os.DirFS(folder+".away")); err != nil {
		t.Fatal(err)
	}
	l.reload <- struct{}{}
	l.logs("is the volume mounted?")
	if _, err := os.Stat(folder); err == nil {
		t.Error("the folder was made")
	}
	if err := os.Rename(folder+".copy", folder); err != nil {
		t.Fatal(err)
	}
	l.logs("the partner's folder is in order")
	drop(t, l.dir, "loopback", "L-2.xml")
	l.sent("loopback", "L-2")
}

// The same without its marker: nothing is taken or delivered until it is there again.
func TestAMarkerThatComesBack(t *testing.T) {
	l := startLive(t, nil)
	drop(t, l.dir, "loopback", "L-1.xml")
	l.sent("loopback", "L-1")
	marker := filepath.Join(l.dir, "data", "partners", "loopback", markerFile)
	if err := os.Rename(marker, marker+".away"); err != nil {
		t.Fatal(err)
	}
	drop(t, l.dir, "loopback", "L-2.xml")
	l.logs("is the volume mounted?")
	if err := os.Rename(marker+".away", marker); err != nil {
		t.Fatal(err)
	}
	l.sent("loopback", "L-2")
}

// A partner whose folder is not there when the agent starts is asked to come again (I7),
// and works as soon as the folder is back.
func TestAFolderThatComesLate(t *testing.T) {
	cfg, dir := setUp(t, nil)
	if err := Run(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Version: "test", UntilIdle: true}); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "data", "partners", "loopback")
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
	r, err := http.NewRequest(http.MethodPost, "https://"+cfg.Listen[0].Address+"/as2", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AS2-From": "SELF", "AS2-To": "SELF", "AS2-Version": "1.2", "Message-ID": "<1@x>", "Content-Type": "application/xml",
		"Disposition-Notification-To": "x"} {
		r.Header.Set(name, value)
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("answered %s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	if err := os.Rename(folder+".away", folder); err != nil {
		t.Fatal(err)
	}
	drop(t, dir, "loopback", "L-1.xml")
	eventually(t, "it is sent", func() bool {
		sent, _ := filepath.Glob(filepath.Join(folder, "sent", "*", "L-1.*", "receipt.mdn"))
		return len(sent) == 1
	})
}

// A log that lies beside the config has line after line: nothing is looked up and no watch set
// anew for them. The config is taken all the same as soon as it changes.
func TestOtherFilesBesideTheConfig(t *testing.T) {
	cfg, dir := setUp(t, nil)
	var watched atomic.Int64
	h := &host{}
	h.onWith(t, cfg, func(a *running) {
		watch := a.watch.watch
		a.watch.watch = func(folder string) error {
			if folder == filepath.Dir(cfg.Path) {
				watched.Add(1)
			}
			return watch(folder)
		}
	})
	eventually(t, "the config is watched, and was looked at once", func() bool { return watched.Load() == 2 })
	log, err := os.Create(filepath.Join(dir, "as2drop.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // nobody reads it
	for i := range 1000 {
		if _, err := fmt.Fprintln(log, "line", i); err != nil {
			t.Fatal(err)
		}
	}
	edited(t, cfg, "loopback:", "renamed:")
	eventually(t, "the config was taken", func() bool { return strings.Contains(h.log(), "the config was taken") })
	// Once after the reload; more than a minute may have gone by before it.
	if n := watched.Load(); n > 4 {
		t.Errorf("the config was watched anew %d times", n)
	}
}
