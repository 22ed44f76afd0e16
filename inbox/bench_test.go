//go:build linux

package inbox

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// BenchmarkReceive takes messages over HTTPS, from the POST to the signed receipt with the
// document in an inbox on a real disk. They were sealed before: signed, encrypted with
// AES-256-CBC, a zip of one document of 10 KB. What it reports as CPU is that of the whole
// process, with the little that posting takes.
func BenchmarkReceive(b *testing.B) {
	for _, connections := range []int{1, 8} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) { benchmarkReceive(b, connections) })
	}
}

func benchmarkReceive(b *testing.B, connections int) {
	l, in := benchInbox(b)
	s := httptest.NewUnstartedServer(&as2.Handler{Backend: in, Log: in.Log})
	us := testKeys()[0]
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{us.Certificate.Raw}, PrivateKey: us.Key}}}
	s.StartTLS()
	b.Cleanup(s.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	messages := make([]message, b.N)
	for i := range messages {
		messages[i] = benchMessage(i)
	}
	_, commits := l.Stats()
	rows, cpu := l.RowsRead(), processor()
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	done := make(chan error, connections)
	for range connections {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(messages) {
					done <- nil
					return
				}
				if err := benchPost(client, s.URL, messages[i]); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range connections {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
	_, now := l.Stats()
	per := func(n int64) float64 { return float64(n) / float64(b.N) }
	b.ReportMetric(per(int64(processor()-cpu))/1e3, "cpu-µs/op")
	b.ReportMetric(per(now-commits), "commits/op")
	b.ReportMetric(per(l.RowsRead()-rows), "rows/op")
}

// benchInbox is that of a partner with the defaults of a config.
func benchInbox(b *testing.B) (*ledger.Ledger, *Inbox) {
	dir := b.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	must(err)
	folder, err := fsx.OpenRoot(dir)
	must(err)
	b.Cleanup(func() { must(l.Close()); must(folder.Close()) })
	for _, f := range Folders() {
		must(fsx.MkdirAll(folder, f, 0o750))
	}
	rules, err := naming.Compile(naming.DefaultConfig())
	must(err)
	ids := testKeys()
	p := Partner{Name: "acme", AS2ID: "ACME", Station: "us", StationAS2ID: "US", Folder: folder, Rules: rules,
		Identities: []cms.Identity{ids[0]}, Trust: cms.Pinned(ids[1].Certificate), Sign: signerOf(ids[0]),
		RequireSigned: true, RequireEncrypted: true, Unpack: true, KeepBroken: true, EvidenceUpTo: 64 << 20, Reserve: 1 << 20}
	in := New(Deps{Ledger: l, Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Config: "c", UserAgent: "bench"}, []Partner{p})
	return l, in
}

// benchMessage is the n-th message, with a document of its own.
func benchMessage(n int) message {
	var document strings.Builder
	for i := 0; document.Len() < 10<<10; i++ {
		fmt.Fprintf(&document, "<Line><ID>%d</ID><Amount>%d.%02d</Amount><Item>%x</Item></Line>\n", i, n*i%997, i%100, i*i*7919)
	}
	var zip bytes.Buffer
	_, err := bundle.Write(&zip, []bundle.Member{{Name: fmt.Sprintf("INV-%d.xml", n), Size: int64(document.Len()), Modified: moment,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(document.String())), nil }}})
	must(err)
	return seal(zip.Bytes(), func(o *as2.SealOptions) {
		o.MessageID, o.Filename, o.Cipher = fmt.Sprintf("<%d@acme>", n), fmt.Sprintf("INV-%d.zip", n), cms.AES256CBC
	})
}

func benchPost(client *http.Client, url string, m message) error {
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(m.body))
	must(err)
	r.Header = m.header
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	must(answer.Body.Close())
	if err == nil && !bytes.Contains(body, []byte("processed\r\n")) {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return err
}

// processor is the CPU time of this process so far.
func processor() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
