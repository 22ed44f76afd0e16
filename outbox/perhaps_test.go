package outbox

import (
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// whyOf is what an operator reads beside the files of a transfer in failed.
func whyOf(t *testing.T, o *Outbox, tr ledger.Transfer) string {
	t.Helper()
	text, err := fsx.ReadFile(o.p.Folder, path.Join(tr.FilePath, whyFile), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The connection broke after the message was out, and then the server refuses it. Whoever
// sends it again must do so under the same Message-ID: the partner may have it.
func TestRefusalAfterAnUnknownAttempt(t *testing.T) {
	w, o := begin(t)
	answers := []poster{
		func() (*as2.Answer, error) { return nil, &as2.PostError{Unknown: true, Cause: io.ErrUnexpectedEOF} },
		func() (*as2.Answer, error) { return &as2.Answer{Status: 400, Header: http.Header{}}, nil },
	}
	var ids []string
	o.Post = posterOf(func(header []as2.Field, _ []byte) (*as2.Answer, error) {
		ids = append(ids, as2.Get(header, "Message-ID"))
		if len(answers) == 0 {
			return nil, errors.New("no route")
		}
		next := answers[0]
		answers = answers[1:]
		return next()
	})
	id := scan(t, o).Claimed[0]
	tr := carry(t, o, id)
	w.now = tr.Due
	tr = carry(t, o, id)
	tr = filed(t, o, tr.ID, ledger.VerdictGaveUp)
	why := whyOf(t, o, tr)
	if !strings.Contains(why, "the partner may have received it") || strings.Contains(why, "did not receive it") || !strings.Contains(why, "HTTP 400") {
		t.Error(why)
	}
	grantWish(t, o, ledger.WishRetry, tr.ID)
	carry(t, o, id)
	if len(ids) != 3 || len(slices.Compact(ids)) != 1 {
		t.Errorf("posted under the Message-IDs %q", ids)
	}
	clean(t, o)
}

// A load balancer answers 503 when the server behind it took the message and was too slow.
func TestBusyServerMayHaveTheMessage(t *testing.T) {
	w, o := begin(t, busy, busy, busy)
	id := scan(t, o).Claimed[0]
	for tr := carry(t, o, id); tr.State.Open(); tr = carry(t, o, id) {
		w.now = tr.Due
	}
	if why := whyOf(t, o, filed(t, o, id, ledger.VerdictGaveUp)); !strings.Contains(why, "the partner may have received it") {
		t.Error(why)
	}
}

// A process dies when it has moved the members, and the ERP drops another document of the
// same name. The claim is finished with what was claimed; the other one is the next.
func TestNameThatIsUsedAgainDuringTheClaim(t *testing.T) {
	w, o := begin(t, accept, accept)
	id := scan(t, o).Claimed[0]
	claimed := row(t, o, id)
	must(fsx.MkdirAll(o.p.Folder, o.work(&claimed), dirPerm))
	for _, m := range claimed.Members {
		must(fsx.Move(o.p.Folder, path.Join(outboxDir, m.Name), path.Join(o.work(&claimed), m.Name)))
	}
	w.write(path.Join(outboxDir, "INV-1.xml"), "<Invoice>another</Invoice>")
	carry(t, o, id)
	tr := filed(t, o, id, ledger.VerdictAccepted)
	sent, err := fsx.ReadFile(o.p.Folder, path.Join(tr.FilePath, "INV-1.xml"), 1<<20)
	if err != nil || string(sent) != dropped["INV-1.xml"] {
		t.Errorf("in sent is %q: %v", sent, err)
	}
	next := carry(t, o, scan(t, o).Claimed[0])
	if next.Verdict != ledger.VerdictAccepted || next.MessageID == tr.MessageID || len(next.Members) != 1 {
		t.Errorf("the other one: %+v", next)
	}
}
