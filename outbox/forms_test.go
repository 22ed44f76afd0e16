package outbox

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// sealedWith drops files, and seals them with a changed config.
func sealedWith(t *testing.T, files map[string]string, change func(*Partner)) (*Outbox, ledger.Transfer) {
	t.Helper()
	w := newWorldOf(files, accept)
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	w.set = change
	o := w.outbox(l)
	id := scan(t, o).Claimed[0]
	for range 2 {
		if _, err := o.Step(context.Background(), id); err != nil {
			t.Fatal(err)
		}
	}
	return o, row(t, o, id)
}

// seen is what the partner finds in a sealed message.
func seen(t *testing.T, o *Outbox, tr *ledger.Transfer) (parts []as2.Part, contents []string) {
	t.Helper()
	var s as2.Sealed
	must(json.Unmarshal(tr.Sealed, &s))
	env, err := s.Envelope()
	must(err)
	body, err := fsx.ReadFile(o.p.Folder, path.Join(o.work(tr), messageFile), 1<<20)
	must(err)
	ids := testKeys()
	var bufs []*bytes.Buffer
	opened, err := as2.Open(env, bytes.NewReader(body), func(as2.Part) (io.WriteCloser, error) {
		bufs = append(bufs, &bytes.Buffer{})
		return nopCloser{bufs[len(bufs)-1]}, nil
	}, as2.OpenOptions{Identities: []cms.Identity{ids[1]}, Trust: cms.Pinned(ids[0].Certificate), At: moment, RequireSigned: true, RequireEncrypted: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(opened.Notes) > 0 {
		t.Errorf("%q", opened.Notes)
	}
	for i, b := range bufs {
		contents = append(contents, b.String())
		if f := s.Files[i]; f.Filename != opened.Parts[i].Filename || f.ContentType != opened.Parts[i].ContentType || f.Size != opened.Parts[i].Size {
			t.Errorf("the record says %+v, the partner sees %+v", f, opened.Parts[i])
		}
	}
	return opened.Parts, contents
}

// Each form, for a document alone and with attachments: what travels, under which names
// and types, with the document first, and the digest of each member on record.
func TestForms(t *testing.T) {
	alone := map[string]string{"INV-1.xml": "<Invoice/>"}
	batch := map[string]string{"INV-1.xml": "<Invoice/>", "INV-1_a.pdf": "%PDF", "INV-1_Fö.PNG": "\x89PNG\r\n", "INV-1_notes.txt": "bare\nline\n", "INV-1_signed.p7m": "0\x80"}
	asTheyAre := []string{"application/xml INV-1.xml <Invoice/>", "image/png INV-1_Fö.PNG \x89PNG\r\n", "application/pdf INV-1_a.pdf %PDF", "application/octet-stream INV-1_notes.txt bare\nline\n", "application/octet-stream INV-1_signed.p7m 0\x80"}
	override := func(p *Partner) { p.ContentType = "application/edi-consent" }
	for name, c := range map[string]struct {
		form   Bundle
		files  map[string]string
		change func(*Partner)
		want   []string // nil = a zip of all
	}{
		"always, alone":             {BundleAlways, alone, nil, nil},
		"always":                    {BundleAlways, batch, nil, nil},
		"with-attachments, alone":   {BundleWithAttachments, alone, nil, []string{"application/xml INV-1.xml <Invoice/>"}},
		"with-attachments":          {BundleWithAttachments, batch, nil, nil},
		"never, alone":              {BundleNever, alone, nil, []string{"application/xml INV-1.xml <Invoice/>"}},
		"multipart, alone":          {BundleMultipart, alone, nil, []string{"application/xml INV-1.xml <Invoice/>"}},
		"multipart":                 {BundleMultipart, batch, nil, asTheyAre},
		"multipart, in base64":      {BundleMultipart, batch, func(p *Partner) { p.Quirks.PayloadBase64 = true }, asTheyAre},
		"multipart, compressed":     {BundleMultipart, batch, func(p *Partner) { p.Compress = as2.CompressAfterSign }, asTheyAre},
		"multipart, another type":   {BundleMultipart, batch, override, append([]string{"application/edi-consent INV-1.xml <Invoice/>"}, asTheyAre[1:]...)},
		"embedded, alone":           {BundleEmbedded, alone, nil, []string{"application/xml INV-1.xml <Invoice/>"}},
		"never, alone, and another": {BundleNever, alone, override, []string{"application/edi-consent INV-1.xml <Invoice/>"}},
	} {
		t.Run(name, func(t *testing.T) {
			o, tr := sealedWith(t, c.files, func(p *Partner) {
				p.Bundle = c.form
				if c.change != nil {
					c.change(p)
				}
			})
			if tr.State != ledger.StateSealed {
				t.Fatalf("%s, held: %s", tr.State, tr.Hold)
			}
			parts, contents := seen(t, o, &tr)
			for _, m := range tr.Members {
				if m.SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(c.files[m.Name]))) {
					t.Errorf("%s: the digest on record is %q", m.Name, m.SHA256)
				}
			}
			if c.want == nil {
				if len(parts) != 1 || parts[0].ContentType != "application/zip" || parts[0].Filename != "INV-1_"+tr.ID+".zip" || zipped(t, contents[0]) != len(c.files) {
					t.Errorf("%+v", parts)
				}
				return
			}
			var got []string
			for i, p := range parts {
				got = append(got, fmt.Sprintf("%s %s %s", p.ContentType, p.Filename, contents[i]))
			}
			if !slices.Equal(got, c.want) || !parts[0].Document {
				t.Errorf("%q\nwant\n%q", got, c.want)
			}
		})
	}
}

// zipped is how many files a zip has.
func zipped(t *testing.T, content string) int {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return len(z.File)
}

// An attachment that changes while it is read fails the step, in every form, and all
// goes back.
func TestAttachmentThatGrowsWhileItIsSealed(t *testing.T) {
	for _, form := range []Bundle{BundleAlways, BundleMultipart} {
		w, o := begin(t, accept)
		o.p.Bundle = form
		id := scan(t, o).Claimed[0]
		if _, err := o.Step(context.Background(), id); err != nil {
			t.Fatal(err)
		}
		w.write(path.Join(workDir, id, "INV-1_scan.pdf"), "%PDF-1.7 scan, and more")
		tr := carry(t, o, id)
		if tr.State != ledger.StateUndone || w.partner.posts != 0 || !strings.Contains(tr.Reason, "INV-1_scan.pdf") {
			t.Errorf("%s: %s: %s", form, tr.State, tr.Reason)
		}
	}
}

// The forms differ from the zip of TestCrashMatrix up to the first post; what the partner
// takes is what was dropped, once.
func TestCrashMatrixOfForms(t *testing.T) {
	for form, taken := range map[Bundle]string{BundleMultipart: takes["INV-1.xml"] + takes["INV-1_scan.pdf"], BundleEmbedded: withScan} {
		t.Run(string(form), func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(takes, accept)
			w.set = func(p *Partner) { p.Bundle = form }
			complete := func(cw crashtest.World) []string {
				problems := final(ledger.VerdictAccepted, 1)(cw)
				if n := cw.(*world).partner.delivered[fmt.Sprintf("%x", sha256.Sum256([]byte(taken)))]; n != 1 {
					problems = append(problems, fmt.Sprintf("what was dropped was delivered %d times", n))
				}
				return problems
			}
			r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: standing, Final: complete, Until: "mark post", Faults: true})
			t.Logf("%d cases of %d", r.Cases, r.Left)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}
