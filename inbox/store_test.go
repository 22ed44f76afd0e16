package inbox

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// A receipt is posted to agreed places only, and what cannot be receipted is not taken.
func TestReceiptURLs(t *testing.T) {
	over := func(p *Partner) { p.ReceiptHTTP = true }
	for name, c := range map[string]struct {
		url    string
		change func(*Partner)
		fact   string // empty = taken
	}{
		"the agreed host":               {"https://acme.example/mdn?id=1", nil, ""},
		"another port of it":            {"https://acme.example:8443/", nil, ""},
		"in capitals, with a dot":       {"HTTPS://ACME.example./", nil, ""},
		"an agreed port":                {"https://port.example:8443/", nil, ""},
		"the port that https means":     {"https://tls.example/", nil, ""},
		"another port":                  {"https://port.example:22/", nil, "not agreed upon"},
		"no port where one is agreed":   {"https://port.example/", nil, "not agreed upon"},
		"an address":                    {"https://[2001:db8::1]:443/", nil, ""},
		"another host":                  {"https://evil.example/acme.example", nil, `"evil.example" of the receipt URL is not agreed upon`},
		"a host that ends alike":        {"https://notacme.example/", nil, "not agreed upon"},
		"the agreed host as a user":     {"https://acme.example@evil.example/", nil, "carries credentials"},
		"credentials for it":            {"https://u:p@acme.example/", nil, "carries credentials"},
		"plain HTTP":                    {"http://acme.example/", nil, "is not https"},
		"plain HTTP, allowed":           {"http://acme.example/", over, ""},
		"mail":                          {"mailto:edi@acme.example", over, "neither https nor http"},
		"a file":                        {"file:///etc/passwd", over, "neither https nor http"},
		"no URL":                        {"acme.example", nil, "neither https nor http"},
		"no host":                       {"https:///mdn", nil, "not agreed upon"},
		"unreadable":                    {"https://acme.example/%zz", nil, "cannot be read"},
		"very long":                     {"https://acme.example/" + strings.Repeat("x", 3000), nil, "more than 2048 characters"},
		"none are given":                {"https://acme.example/", func(p *Partner) { p.Post = nil }, "switched off"},
		"the message is a stranger's":   {"https://acme.example/", func(p *Partner) { p.AS2ID = "OTHER" }, "no partner with as2_id"},
		"no host is agreed upon at all": {"https://acme.example/", func(p *Partner) { p.ReceiptHosts = nil }, "not agreed upon"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = func(p *Partner) {
				p.ReceiptHosts = []string{"acme.example", "port.example:8443", "tls.example:443", "[2001:db8::1]"}
				if c.change != nil {
					c.change(p)
				}
			}
			in := w.opened(t)
			woken := ""
			in.Wake = func(partner string) { woken = partner }
			reply := post(in, seal([]byte("x"), func(o *as2.SealOptions) { o.Receipt.Async = c.url }))
			rec := recordOf(in.Ledger)
			if c.fact == "" {
				if reply.Status != 200 || len(reply.Body) > 0 || len(rec.stored) != 1 || woken != "acme" || len(rec.refused) > 0 {
					t.Errorf("%d %q, %+v, woken %q", reply.Status, reply.Body, rec, woken)
				}
				return
			}
			strangers := rec.refused
			must(in.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) {
				if len(strangers) == 0 {
					strangers, err = tx.RecentRefusals("", 1)
				}
				return err
			}))
			if reply.Status != 400 || len(strangers) != 1 || !strings.Contains(strangers[0].Fact, c.fact) || len(rec.stored) > 0 || woken != "" {
				t.Errorf("%d %q, %+v", reply.Status, reply.Body, strangers)
			}
			must(w.work(in))
			if w.posts > 0 {
				t.Errorf("%d receipts were posted", w.posts)
			}
		})
	}
}

// A body over the limit is not kept, one that ends early neither.
func TestBodiesThatAreNotStored(t *testing.T) {
	m := asLater(seal(zipped(batch), nil))
	w := newWorld(message{})
	w.change = func(p *Partner) { p.MaxMessage = 1 << 20 }
	in := w.opened(t)
	r := in.Receive(context.Background(), &as2.Message{Header: m.header, Body: io.LimitReader(zeros{}, 1<<40), Length: -1})
	rec := recordOf(in.Ledger)
	if r.Status != 413 || len(rec.stored) > 0 || len(rec.refused) != 1 {
		t.Errorf("%d, %+v", r.Status, rec)
	}
	r = in.Receive(context.Background(), &as2.Message{Header: m.header, Body: bytes.NewReader(m.body[:100]), Length: int64(len(m.body))})
	if rec := recordOf(in.Ledger); r.Status != 503 || len(rec.stored) > 0 {
		t.Errorf("%d, %+v", r.Status, rec)
	}
	in.names["acme"].MaxMessage, in.names["acme"].Reserve = 0, 1<<20
	in.names["acme"].Folder = &filling{FS: in.names["acme"].Folder, free: 1<<20 + 40<<20}
	r = in.Receive(context.Background(), &as2.Message{Header: m.header, Body: io.LimitReader(zeros{}, 1<<40), Length: -1})
	if rec := recordOf(in.Ledger); r.Status != 503 || len(rec.stored) > 0 {
		t.Errorf("without an end: %d, %+v", r.Status, rec)
	}
	for name := range w.disk.Tree() {
		if strings.HasPrefix(name, "acme/.incoming/") {
			t.Errorf("left over: %s", name)
		}
	}
}

type zeros struct{}

// filling is a volume that fills up with what is written.
type filling struct {
	fsx.FS
	free int
}

func (f *filling) Free() (uint64, error) { return uint64(f.free), nil }

func (f *filling) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	return &fillingFile{file, f}, err
}

type fillingFile struct {
	fsx.File
	f *filling
}

func (f *fillingFile) Write(p []byte) (int, error) {
	if f.f.free -= len(p); f.f.free < 0 {
		panic("written beyond the end of the volume")
	}
	return len(p), nil
}

// What the partner logs in with is kept nowhere.
func TestCredentials(t *testing.T) {
	const secret, wrong = "s3cr3t-words", "wr0ng-words"
	for name, c := range map[string]struct {
		header string
		status int
	}{
		"none":      {"", 401},
		"wrong":     {wrong, 401},
		"the right": {secret, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = func(p *Partner) { p.Credentials = &Credentials{User: "acme", Password: secret} }
			m := seal(zipped(batch), nil)
			if c.header != "" {
				req := http.Request{Header: m.header}
				req.SetBasicAuth("acme", c.header)
			}
			in := w.opened(t)
			body := bytes.NewReader(m.body)
			reply := in.Receive(context.Background(), &as2.Message{Header: m.header, Body: body, Length: int64(len(m.body)), Remote: "test"})
			rec := recordOf(in.Ledger)
			if c.status == 200 {
				if reply.Status != 200 || rec.received == nil {
					t.Errorf("%d, %+v", reply.Status, rec)
				}
			} else if reply.Status != 401 || as2.Get(reply.Header, "WWW-Authenticate") == "" || body.Len() != len(m.body) || len(rec.refused) != 1 ||
				!w.hasEvent(in, ledger.Alarm, "credentials") {
				t.Errorf("%d %v, %d bytes left, %+v", reply.Status, reply.Header, body.Len(), rec)
			}
			basic := strings.TrimPrefix(m.header.Get("Authorization"), "Basic ")
			for file, e := range w.disk.Tree() {
				if rest, ok := strings.CutPrefix(file, "acme/"); ok && !e.Folder {
					for _, s := range []string{secret, wrong, basic} {
						if s != "" && strings.Contains(w.read(rest), s) {
							t.Errorf("%s holds %q", file, s)
						}
					}
				}
			}
			if len(rec.refused) > 0 && (strings.Contains(rec.refused[0].Fact, wrong) || strings.Contains(string(reply.Body), secret)) {
				t.Errorf("%q, %q", rec.refused[0].Fact, reply.Body)
			}
		})
	}
}
