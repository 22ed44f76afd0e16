//go:build linux

package bench

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/largeledger"
)

var transfers = flag.Int("transfers", 1_000_000, "transfers in the ledger of BenchmarkMillion, and received messages")

// ofMillion are the partners of a large ledger, and asksOfMillion how often each thing is
// asked: the one in the middle counts.
const (
	ofMillion     = 50
	asksOfMillion = 9
)

// asked is what somebody asks an agent with a large ledger, and how long he waits.
type asked struct {
	what string
	took time.Duration
}

// million is what a ledger of years costs.
type million struct {
	transfers int
	size      float64       // GiB of the ledger
	ready     time.Duration // until the agent was
	asked     []asked
	usage     usage
}

// remember runs an agent whose ledger has so many transfers and received messages, and asks
// it what operators ask.
func remember(t testing.TB, transfers int) million {
	t.Helper()
	s := newSite(t, ofMillion, "", nil)
	address := s.console()
	p, _ := start(t, s.dir) // it makes the folders, and the ledger
	p.stop()
	file := filepath.Join(s.dir, "data", "ledger.db")
	o := largeledger.Options{Transfers: transfers, First: time.Now().Add(-time.Duration(transfers) * time.Minute), Every: time.Minute}
	for i := range ofMillion {
		o.Partners = append(o.Partners, fmt.Sprintf("p%04d", i))
	}
	must(t, largeledger.Fill(file, o))
	info, err := os.Stat(file)
	must(t, err)
	m := million{transfers: transfers, size: float64(info.Size()) / (1 << 30)}
	p, m.ready = start(t, s.dir)
	one := transfers / 3
	for _, line := range []string{"ls", "ls --all", "ls p0007", "status", "show " + largeledger.ID(one), "show " + fmt.Sprintf("INV-%d", one)} {
		name, rest, _ := strings.Cut(line, " ")
		args := append([]string{name, "-c", filepath.Join(s.dir, "config.yaml")}, strings.Fields(rest)...)
		m.ask(t, "`as2drop "+line+"`", func() ([]byte, error) { return exec.Command(binary, args...).CombinedOutput() })
	}
	for _, page := range []struct{ what, path string }{
		{"console: overview", "/"},
		{"console: one partner", "/partners/p0007"},
		{"console: newest transfers", "/transfers"},
		{"console: failed transfers of a partner", "/transfers?stand=failed&partner=p0007"},
		{"console: transfers with a name", "/transfers?q=" + largeledger.Document(one)},
		{"console: one transfer", "/transfers/" + largeledger.ID(one)},
		{"console: received messages", "/received"},
	} {
		m.ask(t, page.what, func() ([]byte, error) { return get("http://" + address + page.path) })
	}
	m.usage = p.usage()
	p.end() // no folder has what the ledger tells of, so there is nothing to check
	return m
}

// console gives the site a console, and returns its address.
func (s *site) console() (address string) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	address = l.Addr().String()
	must(s.t, l.Close())
	file := filepath.Join(s.dir, "config.yaml")
	text, err := os.ReadFile(file)
	must(s.t, err)
	must(s.t, os.WriteFile(file, append(text, "console: {address: "+address+"}\n"...), 0o600))
	return address
}

// ask asks several times and notes how long the answer in the middle took.
func (m *million) ask(t testing.TB, what string, f func() ([]byte, error)) {
	t.Helper()
	var all []time.Duration
	for range asksOfMillion {
		began := time.Now()
		out, err := f()
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	m.asked = append(m.asked, asked{what, all[len(all)/2]})
}

// get is what a browser gets.
func get(url string) ([]byte, error) {
	r, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if cerr := r.Body.Close(); err == nil {
		err = cerr
	}
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, r.Status)
	}
	return body, err
}

// The way to the figures works: the agent starts with such a ledger, and everything that is
// asked is answered.
func TestMillion(t *testing.T) {
	m := remember(t, 500)
	if m.ready <= 0 || m.size <= 0 || len(m.asked) < 10 || m.usage.most < 1 {
		t.Errorf("%+v", m)
	}
}

// Whoever has sent a million documents starts as fast as others, and sees as much.
func BenchmarkMillion(b *testing.B) {
	var m million
	for b.Loop() {
		m = remember(b, *transfers)
	}
	b.ReportMetric(m.ready.Seconds()*1e3, "ready-ms")
	for _, a := range m.asked[:1] {
		b.ReportMetric(a.took.Seconds()*1e3, "ls-ms")
	}
	b.ReportMetric(m.usage.most, "MiB")
	page(b, "million", millionTable(m))
}

func millionTable(m million) string {
	var t strings.Builder
	fmt.Fprintf(&t, "| %d transfers and as many received messages, %.1f GiB | |\n|---|---:|\n", m.transfers, m.size)
	fmt.Fprintf(&t, "| start, until the agent is ready | %.0f ms |\n", m.ready.Seconds()*1e3)
	for _, a := range m.asked {
		fmt.Fprintf(&t, "| %s | %.1f ms |\n", a.what, a.took.Seconds()*1e3)
	}
	fmt.Fprintf(&t, "| most memory of the agent | %.0f MiB |\n", m.usage.most)
	return t.String()
}
