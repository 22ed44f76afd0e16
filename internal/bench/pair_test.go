//go:build linux

package bench

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
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

// cargo is what travels.
type cargo struct {
	prefix, ext string // of its files, which are numbered
	documents   int
	write       func(w io.Writer, n int) error // the n-th one
}

func (c cargo) name(n int) string { return fmt.Sprintf("%s-%06d.%s", c.prefix, n, c.ext) }

// transit is what it took from outbox to inbox, both ends counted.
type transit struct {
	documents int
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

// slowly is how many bytes of a document pass in a second at the least.
const slowly = 10 << 20

// carry has documents travel: they are written beside the outbox, and renamed into it at once.
func (p *pair) carry(c cargo) (tr transit) {
	p.t.Helper()
	staging := filepath.Join(p.dir, "staging")
	must(p.t, os.Mkdir(staging, 0o700))
	size := int64(0)
	for i := range c.documents {
		size += put(p.t, filepath.Join(staging, c.name(i)), func(w io.Writer) error { return c.write(w, i) })
	}
	patience := stalled + time.Duration(size/slowly)*time.Second
	filedBefore, publishedBefore := p.filed(), p.published()
	senderBefore, takerBefore := p.sender.usage(), p.taker.usage()
	began := time.Now()
	for i := range c.documents {
		must(p.t, os.Rename(filepath.Join(staging, c.name(i)), filepath.Join(p.outgoing("outbox"), c.name(i))))
	}
	// What has been done is asked of the folders, seldom enough not to be in the way.
	at, done := time.Now(), 0
	for done < c.documents {
		looked := time.Now()
		n := min(p.filed()-filedBefore, p.published()-publishedBefore)
		if n > done {
			at, done = time.Now(), n
		} else if time.Since(at) > patience {
			p.sender.fatal("%d of %d have arrived, and then nothing for %v", done, c.documents, patience)
		}
		if done < c.documents {
			wait(p.t.Context(), max(5*time.Millisecond, 50*time.Since(looked)))
		}
	}
	tr.documents, tr.took = c.documents, at.Sub(began)
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
func (p *pair) arrived(c cargo) {
	p.t.Helper()
	for n := range c.documents {
		dropped, published := sha256.New(), sha256.New()
		must(p.t, c.write(dropped, n))
		f, err := os.Open(filepath.Join(p.incoming("inbox"), c.name(n)))
		must(p.t, err)
		_, err = io.Copy(published, f)
		must(p.t, errors.Join(err, f.Close()))
		if !bytes.Equal(dropped.Sum(nil), published.Sum(nil)) {
			p.t.Fatalf("%s arrived with other bytes", f.Name())
		}
	}
}

// lengthsOf are those of a message whose document is named so.
func (p *pair) lengthsOf(prefix string) lengths {
	p.t.Helper()
	folders, err := filepath.Glob(p.outgoing("sent/*/" + prefix + "-*"))
	must(p.t, err)
	if len(folders) == 0 {
		p.t.Fatalf("nothing of %s is in sent", prefix)
	}
	text, err := os.ReadFile(filepath.Join(folders[0], "transfer.json"))
	must(p.t, err)
	var transfer struct {
		Members []struct{ Size int64 }
		Sealed  struct{ Length int64 }
	}
	must(p.t, json.Unmarshal(text, &transfer))
	receipt, err := os.Stat(filepath.Join(folders[0], "receipt.mdn"))
	must(p.t, err)
	return lengths{Document: transfer.Members[0].Size, Message: transfer.Sealed.Length, Receipt: receipt.Size()}
}

func (tr transit) rate() float64 { return float64(tr.documents) / tr.took.Seconds() }

// cpu is the time of both ends for each document.
func (tr transit) cpu() time.Duration {
	return (tr.sender.cpu + tr.taker.cpu) / time.Duration(tr.documents)
}
