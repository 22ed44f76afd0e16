package outbox

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/as2drop/as2drop/internal/checks"
	"github.com/as2drop/as2drop/ledger"
)

// runChecks asks the checks about the files that are going to be sent, and notes what they
// say. It changes nothing else, so it may be repeated as often as sealing is.
func (o *Outbox) runChecks(ctx context.Context, t *ledger.Transfer, dir string) (refused bool, err error) {
	t.Objections, t.MoreObjections = nil, 0
	if !o.p.Checks.Any() {
		return false, nil
	}
	var files []checks.File
	for _, f := range o.outgoing(t, dir) {
		files = append(files, checks.File{Name: f.name, Document: f.role == ledger.RoleDocument, Size: f.size, Open: func() (io.ReadCloser, error) { return o.open(f) }})
	}
	report, err := o.p.Checks.Batch(ctx, files)
	if err != nil {
		return false, err
	}
	for _, f := range report.Findings {
		t.Objections = append(t.Objections, ledger.Objection{Rule: string(f.Rule), Refuses: f.Effect == checks.Refuse, File: f.File, Place: f.Place, Fact: f.Fact, Next: f.Next})
	}
	t.MoreObjections = report.More
	return report.Refused, nil
}

// refusal is what follows from checks that refuse. The files may be corrected where they
// are filed: retry takes them from there, and checks them again.
func (o *Outbox) refusal(t *ledger.Transfer) decision {
	refusing := 0
	for _, x := range t.Objections {
		if x.Refuses {
			refusing++
		}
	}
	reason := "outbox.checks: " + objection(t.Objections[0])
	if more := refusing - 1; more > 0 {
		reason += fmt.Sprintf(", and %d more", more)
	}
	next := fmt.Sprintf("correct the files in %s, under the names that they have, or drop corrected ones; or, if %s takes them so, change outbox.checks in the config",
		path.Join(failedDir, o.folderName(t)), o.p.Name)
	return decision{verdict: ledger.VerdictRefused, reason: reason, next: next}
}

// warned tells once of what the checks only warn of: it is committed with the sealed
// message, which is committed once.
func (o *Outbox) warned(t *ledger.Transfer) []func(*ledger.Tx) error {
	if len(t.Objections) == 0 {
		return nil
	}
	const most = 5 // all of them are in the transfer
	var texts []string
	for _, x := range t.Objections[:min(len(t.Objections), most)] {
		texts = append(texts, objection(x))
	}
	if more := len(t.Objections) - len(texts) + t.MoreObjections; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return []func(*ledger.Tx) error{o.event(t, ledger.Warning, "checks", "refuse in outbox.checks would file the next one under failed",
		"%s: outbox.checks warns: %s", t.Document, strings.Join(texts, "; "))}
}

// objection is one in a line.
func objection(x ledger.Objection) string {
	text := x.Rule + ": "
	for _, part := range []string{x.File, x.Place} {
		if part != "" {
			text += part + ": "
		}
	}
	return text + x.Fact
}

// Objections is what the checks found in a transfer, for people: each with what to do.
func Objections(t *ledger.Transfer) (lines []string) {
	for _, x := range t.Objections {
		how := "warns:   "
		if x.Refuses {
			how = "refuses: "
		}
		lines = append(lines, how+objection(x))
		if x.Next != "" {
			lines = append(lines, "         -> "+x.Next)
		}
	}
	if t.MoreObjections > 0 {
		lines = append(lines, fmt.Sprintf("         and %d more", t.MoreObjections))
	}
	return lines
}
