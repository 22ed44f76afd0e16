//go:build linux

package bench

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/testpartner"
)

// pair are two running agents, and one sends to the other.
type pair struct {
	t      testing.TB
	dir    string // of both
	sender *process
	taker  *process // the one that receives
}

// transit is what it took from outbox to inbox, both ends counted.
type transit struct {
	documents int
	bytes     int64         // of all documents
	took      time.Duration // from the first rename into the outbox until all are published, and filed in sent
	sender    usage         // cpu of this transit alone
	taker     usage
}

// lengths are what one of the messages has come to, in bytes.
type lengths struct {
	Document, Message, Receipt int64
}

// newPair starts two agents with TLS between them. Each has a station with an RSA key, and
// syncs what an agent syncs. send are the settings of what is sent.
func newPair(t testing.TB, send string) *pair {
	t.Helper()
	p := &pair{t: t, dir: t.TempDir()}
	for _, name := range []string{"sender", "taker"} {
		must(t, os.Mkdir(filepath.Join(p.dir, name), 0o700))
		own := identity(t, name)
		must(t, keys.WritePrivate(filepath.Join(p.dir, name+".key"), own.Key.(crypto.Signer)))
		must(t, keys.WriteCertificates(filepath.Join(p.dir, name+".pem"), []*x509.Certificate{own.Certificate}))
	}
	authority, err := testpartner.NewAuthority()
	must(t, err)
	server, err := authority.Issue(testpartner.Server{})
	must(t, err)
	must(t, keys.WritePrivate(filepath.Join(p.dir, "server.key"), server.PrivateKey.(crypto.Signer)))
	must(t, keys.WriteCertificates(filepath.Join(p.dir, "server.pem"), []*x509.Certificate{server.Leaf}))
	must(t, keys.WriteCertificates(filepath.Join(p.dir, "authority.pem"), []*x509.Certificate{authority.Certificate}))

	address := freeAddress(t)
	const partner = "partners:\n  %[1]s: {as2_id: %[1]s, station: %[2]s, url: \"https://%[3]s/as2\", certificates: ../%[1]s.pem, server_certificates: ../authority.pem, naming: {quiet: 0s}%[4]s}\n"
	const station = "data_dir: data\nstations:\n  %[1]s: {as2_id: %[1]s, keys: [{certificate: ../%[1]s.pem, key: ../%[1]s.key}]}\n"
	p.config("sender", fmt.Sprintf(station, "sender")+fmt.Sprintf(partner, "taker", "sender", address, ", send: {"+send+"}"))
	p.config("taker", fmt.Sprintf(station, "taker")+fmt.Sprintf("listen:\n  - {address: %q, certificate: ../server.pem, key: ../server.key}\n", address)+
		fmt.Sprintf(partner, "sender", "taker", address, ""))
	p.taker, _ = start(t, filepath.Join(p.dir, "taker"))
	p.sender, _ = start(t, filepath.Join(p.dir, "sender"))
	return p
}

func (p *pair) config(end, text string) {
	p.t.Helper()
	must(p.t, os.WriteFile(filepath.Join(p.dir, end, "config.yaml"), []byte(text), 0o600))
}

// freeAddress is an address of this machine that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close() // the agent says it if it is not free
	return l.Addr().String()
}

// outgoing and incoming are the folders of the sender's and the taker's partner.
func (p *pair) outgoing(folder string) string {
	return filepath.Join(p.dir, "sender", "data", "partners", "taker", folder)
}

func (p *pair) incoming(folder string) string {
	return filepath.Join(p.dir, "taker", "data", "partners", "sender", folder)
}

// carry has documents travel: they are written beside the outbox, and renamed into it at once.
// Each is made by write, and named by prefix and number.
func (p *pair) carry(prefix string, documents int, write func(w io.Writer, n int) error) (tr transit) {
	p.t.Helper()
	staging := filepath.Join(p.dir, "staging")
	must(p.t, os.Mkdir(staging, 0o700))
	names := make([]string, documents)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%06d.xml", prefix, i)
		tr.bytes += put(p.t, filepath.Join(staging, names[i]), func(w io.Writer) error { return write(w, i) })
	}
	filedBefore, publishedBefore := p.filed(), p.published()
	senderBefore, takerBefore := p.sender.usage(), p.taker.usage()
	began := time.Now()
	for _, name := range names {
		must(p.t, os.Rename(filepath.Join(staging, name), filepath.Join(p.outgoing("outbox"), name)))
	}
	// What has been done is asked of the folders, seldom enough not to be in the way.
	at, done := time.Now(), 0
	for done < documents {
		looked := time.Now()
		n := min(p.filed()-filedBefore, p.published()-publishedBefore)
		if n > done {
			at, done = time.Now(), n
		} else if time.Since(at) > stalled {
			p.sender.fatal("%d of %d have arrived, and then nothing for %v", done, documents, stalled)
		}
		if done < documents {
			wait(p.t.Context(), max(5*time.Millisecond, 50*time.Since(looked)))
		}
	}
	tr.documents, tr.took = documents, at.Sub(began)
	tr.sender, tr.taker = p.sender.usage(), p.taker.usage()
	tr.sender.cpu -= senderBefore.cpu
	tr.taker.cpu -= takerBefore.cpu
	must(p.t, os.Remove(staging))
	return tr
}

// filed counts the folders in sent, on all days.
func (p *pair) filed() (n int) {
	days, err := filepath.Glob(filepath.Join(p.outgoing("sent"), "*"))
	must(p.t, err)
	for _, day := range days {
		n += count(p.t, day)
	}
	return n
}

func (p *pair) published() int { return count(p.t, p.incoming("inbox")) }

// put writes a file that is durable, so that the agent need not sync what the bench has written.
func put(t testing.TB, file string, write func(io.Writer) error) int64 {
	t.Helper()
	f, err := os.Create(file)
	must(t, err)
	defer f.Close() // it is closed below; this is for those who fail
	must(t, write(f))
	must(t, f.Sync())
	info, err := f.Stat()
	must(t, err)
	must(t, f.Close())
	return info.Size()
}

// stop ends both agents, and checks what they leave behind.
func (p *pair) stop() {
	p.t.Helper()
	p.sender.stop()
	p.taker.stop()
}

// arrived checks that what was carried is in the inbox, byte for byte.
func (p *pair) arrived(prefix string, documents int, write func(w io.Writer, n int) error) {
	p.t.Helper()
	for n := range documents {
		dropped, published := sha256.New(), sha256.New()
		must(p.t, write(dropped, n))
		f, err := os.Open(filepath.Join(p.incoming("inbox"), fmt.Sprintf("%s-%06d.xml", prefix, n)))
		must(p.t, err)
		_, err = io.Copy(published, f)
		must(p.t, errors.Join(err, f.Close()))
		if !bytes.Equal(dropped.Sum(nil), published.Sum(nil)) {
			p.t.Fatalf("%s arrived with other bytes", f.Name())
		}
	}
}

// lengths are those of one of the messages that were sent.
func (p *pair) lengths() (l lengths) {
	p.t.Helper()
	for pattern, size := range map[string]*int64{
		p.outgoing(".evidence/*/message"):  &l.Message,
		p.outgoing("sent/*/*/*.xml"):       &l.Document,
		p.outgoing("sent/*/*/receipt.mdn"): &l.Receipt,
	} {
		found, err := filepath.Glob(pattern)
		must(p.t, err)
		if len(found) == 0 {
			p.t.Fatalf("nothing is at %s", pattern)
		}
		info, err := os.Stat(found[0])
		must(p.t, err)
		*size = info.Size()
	}
	return l
}

// invoice writes a document of about 10 KB as a partner would have it: XML that can be
// compressed, with numbers that differ.
func invoice(w io.Writer, n int) error {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	var text strings.Builder
	fmt.Fprintf(&text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Invoice><ID>%06d</ID>\n", n)
	for text.Len() < 10_100 {
		fmt.Fprintf(&text, "<InvoiceLine><ID>%d</ID><InvoicedQuantity unitCode=\"C62\">%d</InvoicedQuantity><Amount currencyID=\"EUR\">%d.%02d</Amount><Item>bolt %x</Item></InvoiceLine>\n",
			text.Len(), random.IntN(1000), random.IntN(100_000), random.IntN(100), random.Uint64())
	}
	text.WriteString("</Invoice>\n")
	_, err := io.WriteString(w, text.String())
	return err
}

func (tr transit) rate() float64 { return float64(tr.documents) / tr.took.Seconds() }

// cpu is the time of both ends for each document.
func (tr transit) cpu() time.Duration {
	return (tr.sender.cpu + tr.taker.cpu) / time.Duration(tr.documents)
}
