package inbox

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
)

var update = flag.Bool("update", false, "rewrite what a message costs")

// What a message may do to the disk is written down, call by call: whoever makes it more
// has to say so. Of the ledger there are the commits, the pages that they write and the rows that are read.
func TestOperations(t *testing.T) {
	for name, c := range map[string]*world{
		"one":    newWorld(seal(zipped(map[string]string{"INV-1.xml": "<Invoice/>"}), nil)),
		"batch":  newWorld(seal(zipped(batch), nil)),
		"folder": newWorld(seal(zipped(batch), nil)).with(perBatch),
		"later":  newWorld(seal(zipped(batch), later)),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "operations-"+name+".txt")
			got := operations(c)
			if *update {
				must(os.MkdirAll("testdata", 0o755))
				must(os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			must(err)
			if got != string(want) {
				t.Errorf("%s is not what happened, which was\n%s\nrewrite it with go test ./inbox -run TestOperations -update", file, got)
			}
		})
	}
}

// operations are the calls to the disk while a message is received, and its receipt posted where it is wanted later.
func operations(w *world) string {
	l, err := w.ledger()
	must(err)
	defer func() { must(l.Close()); w.disk.Release() }()
	in := w.inbox(l)
	must(in.Recover(context.Background()))
	key := &countedKey{PrivateKey: testKeys()[0].Key.(*rsa.PrivateKey)}
	p := in.names["acme"]
	p.Identities[0].Key, p.Sign = key, func(time.Time) *cms.Signer {
		return &cms.Signer{Certificate: testKeys()[0].Certificate, Key: key, Digest: cms.SHA256}
	}
	before, rows := len(w.disk.Ticks()), l.RowsRead()
	if reply := post(in, w.message); reply.Status != 200 {
		panic(fmt.Sprint(reply))
	}
	must(w.work(in))
	return report(w.disk.Ticks()[before:]) + fmt.Sprintf("%d rows read\n%d decrypted, %d signed with the private key\n", l.RowsRead()-rows, key.decrypted, key.signed)
}

// countedKey counts what takes longest of all.
type countedKey struct {
	*rsa.PrivateKey
	decrypted, signed int
}

func (k *countedKey) Decrypt(rand io.Reader, b []byte, o crypto.DecrypterOpts) ([]byte, error) {
	k.decrypted++
	return k.PrivateKey.Decrypt(rand, b, o)
}

func (k *countedKey) Sign(rand io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	k.signed++
	return k.PrivateKey.Sign(rand, digest, o)
}

var (
	identifier = regexp.MustCompile(`[0-9a-z]{18}`)
	length     = regexp.MustCompile(`^(read|write) \d+ `)
	ledgerPage = regexp.MustCompile(`^write 4096 .*ledger\.db-wal$`)
)

// report is what happened in the partner's folder, a call a line, and the commits, with how
// much the ledger wrote for them.
func report(ticks []string) string {
	var b bytes.Buffer
	pages := 0
	for _, tick := range ticks {
		call, changes := strings.CutPrefix(tick, "before ")
		if !changes && strings.HasPrefix(tick, "after ") {
			continue
		}
		if call == "sync ledger.db-wal" {
			call = "commit"
		}
		if ledgerPage.MatchString(call) {
			pages++
		}
		if strings.Contains(call, "ledger.db") || strings.HasPrefix(call, "close ") {
			continue
		}
		call = identifier.ReplaceAllString(strings.ReplaceAll(call, "acme/", ""), "<id>")
		fmt.Fprintln(&b, length.ReplaceAllString(call, "$1 "))
	}
	fmt.Fprintln(&b, pages, "pages of the ledger written")
	return b.String()
}
