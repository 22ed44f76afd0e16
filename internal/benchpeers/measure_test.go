//go:build peers

package benchpeers

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/peers"
)

// round is what it took one product to carry the documents of one round.
type round struct {
	documents     int
	took          time.Duration // from the first rename into an outbox until all are in the inbox, and filed as sent
	flow          float64       // documents in a second between the first and the last that arrived
	sender, taker usage
}

// usage is what the processes of one end used.
type usage struct {
	cpu  time.Duration // to 10 ms for each process
	most float64       // MiB; the highest of each process so far, added up
}

// parcel are the documents of one round, the same for all products.
type parcel struct {
	round, documents int
	size             int64 // of each; 0 = an invoice of 10 KB
}

func (p parcel) name(n int) string { return fmt.Sprintf("INV-%d-%06d.xml", p.round, n) }

// write makes document n: text that differs in every line, or bytes that cannot be
// compressed if it is a large one.
func (p parcel) write(w io.Writer, n int) error {
	if p.size > 0 {
		_, err := io.CopyN(w, rand.NewChaCha8([32]byte{byte(p.round), byte(n)}), p.size)
		return err
	}
	random := rand.New(rand.NewPCG(uint64(p.round), uint64(n)))
	var text bytes.Buffer
	fmt.Fprintf(&text, "<Invoice><ID>%d-%06d</ID>\n", p.round, n)
	for text.Len() < 10_200 {
		fmt.Fprintf(&text, "<InvoiceLine><Quantity>%d</Quantity><Amount currencyID=\"EUR\">%d.%02d</Amount><Item>bolt %x</Item></InvoiceLine>\n",
			random.IntN(1000), random.IntN(100_000), random.IntN(100), random.Uint64())
	}
	text.WriteString("</Invoice>\n")
	_, err := text.WriteTo(w)
	return err
}

// stalled is how long nothing may come before it is believed that nothing will.
const stalled = 3 * time.Minute

// carry has a product carry a parcel, and checks what arrived. It empties the inbox.
func (e *ends) carry(t testing.TB, p parcel) (r round) {
	t.Helper()
	staging := t.TempDir()
	for n := range p.documents {
		put(t, filepath.Join(staging, p.name(n)), func(w io.Writer) error { return p.write(w, n) })
	}
	filed := e.filed(t)
	before := [2]usage{use(t, e.sender.PID), use(t, e.taker.PID)}
	began := time.Now()
	for n := range p.documents {
		must(t, os.Rename(filepath.Join(staging, p.name(n)), filepath.Join(e.outboxes[n%len(e.outboxes)], p.name(n))))
	}
	// Folders are asked what has been done, seldom enough not to be in the way.
	at, done, first := time.Now(), 0, p.documents
	var came time.Time // of the first ones
	for done < p.documents {
		looked := time.Now()
		arrived := count(t, e.inbox)
		if arrived > 0 && came.IsZero() {
			came, first = time.Now(), arrived
		}
		if both := arrived + e.filed(t) - filed; both > 2*done {
			at = time.Now()
		}
		done = min(arrived, e.filed(t)-filed)
		e.mustGoOn(t, done, p.documents, at)
		if done < p.documents {
			pause(t, max(5*time.Millisecond, 50*time.Since(looked)))
		}
	}
	ended := time.Now()
	r.documents, r.took = p.documents, ended.Sub(began)
	if first < p.documents {
		r.flow = float64(p.documents-first) / ended.Sub(came).Seconds()
	}
	r.sender, r.taker = use(t, e.sender.PID), use(t, e.taker.PID)
	r.sender.cpu -= before[0].cpu
	r.taker.cpu -= before[1].cpu
	// OpenAS2 has a file among those that it has sent before it is out of the outbox.
	for at = time.Now(); e.left(t) > 0 && time.Since(at) < stalled; {
		pause(t, 5*time.Millisecond)
	}
	must(t, e.check(p))
	return r
}

// left is how many files lie in the outboxes.
func (e *ends) left(t testing.TB) (n int) {
	t.Helper()
	for _, outbox := range e.outboxes {
		n += count(t, outbox)
	}
	return n
}

// mustGoOn ends the test if one of the ends has ended, has failed with something, or has
// done nothing for long.
func (e *ends) mustGoOn(t testing.TB, done, all int, at time.Time) {
	t.Helper()
	for _, p := range []*peers.Process{e.sender, e.taker} {
		if p.Ended() {
			t.Fatalf("%s: %d of %d are through, and one end has ended", e.product, done, all)
		}
	}
	for _, pattern := range e.failed {
		found, err := filepath.Glob(pattern)
		must(t, err)
		if len(found) > 0 {
			t.Fatalf("%s: %d of %d are through, and this has failed: %s", e.product, done, all, found[0])
		}
	}
	if time.Since(at) > stalled {
		t.Fatalf("%s: %d of %d are through, and then nothing for %v", e.product, done, all, stalled)
	}
}

// check holds the inbox against what was sent, and empties it: each document is there
// once, with its bytes, and nothing else is.
func (e *ends) check(p parcel) error {
	entries, err := os.ReadDir(e.inbox)
	if err != nil {
		return err
	}
	if len(entries) != p.documents {
		return fmt.Errorf("%s: %d documents were sent, and %d files arrived", e.product, p.documents, len(entries))
	}
	for n := range p.documents {
		dropped, arrived := sha256.New(), sha256.New()
		f, err := os.Open(filepath.Join(e.inbox, p.name(n)))
		if err != nil {
			return err
		}
		_, err = io.Copy(arrived, f)
		if err := errors.Join(err, f.Close(), p.write(dropped, n)); err != nil {
			return err
		}
		if !bytes.Equal(dropped.Sum(nil), arrived.Sum(nil)) {
			return fmt.Errorf("%s: %s arrived with other bytes", e.product, p.name(n))
		}
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
	}
	for _, outbox := range e.outboxes {
		if left, err := os.ReadDir(outbox); err != nil || len(left) > 0 {
			return fmt.Errorf("%s: %d files are left in %s (%v)", e.product, len(left), outbox, err)
		}
	}
	return nil
}

// filed is how many documents the sender is through with.
func (e *ends) filed(t testing.TB) (n int) {
	t.Helper()
	for _, pattern := range e.sent {
		folders, err := filepath.Glob(pattern)
		must(t, err)
		for _, folder := range folders {
			n += count(t, folder)
		}
	}
	return n
}

// count is how many entries a folder has that do not begin with a dot; one that is not
// there has none.
func count(t testing.TB, folder string) (n int) {
	t.Helper()
	f, err := os.Open(folder)
	if os.IsNotExist(err) {
		return 0
	}
	must(t, err)
	names, err := f.Readdirnames(-1)
	must(t, errors.Join(err, f.Close()))
	for _, name := range names {
		if name[0] != '.' {
			n++
		}
	}
	return n
}

// put writes a file that is durable, so that nobody has to sync what the bench has written.
func put(t testing.TB, file string, write func(io.Writer) error) {
	t.Helper()
	f, err := os.Create(file)
	must(t, err)
	must(t, errors.Join(write(f), f.Sync(), f.Close()))
}

// pause lets time pass, unless the test ends.
func pause(t testing.TB, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// ticks of /proc/PID/stat in a second, on every architecture that Go knows.
const ticks = 100

// use adds up what a process and those that it has started use.
func use(t testing.TB, pid int) (u usage) {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	read := func(elem ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{proc}, elem...)...))
		must(t, err)
		return string(text)
	}
	_, after, _ := strings.Cut(read("stat"), ") ") // the name may have spaces
	for _, field := range strings.Fields(after)[11:13] {
		n, err := strconv.ParseInt(field, 10, 64) // utime, stime: 14 and 15 of all
		must(t, err)
		u.cpu += time.Duration(n) * time.Second / ticks
	}
	for line := range strings.Lines(read("status")) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			u.most = kib / 1024
		}
	}
	for _, child := range strings.Fields(read("task", strconv.Itoa(pid), "children")) {
		n, err := strconv.Atoi(child)
		must(t, err)
		c := use(t, n)
		u.cpu += c.cpu
		u.most += c.most
	}
	return u
}
