package inbox

import (
	"context"
	"path"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// refuse records a message that is not taken and answers with a negative receipt. The
// record never stands in the way of a repeat.
func (r *request) refuse(ctx context.Context, f *as2.Fault) as2.Reply {
	ctx = context.WithoutCancel(ctx)
	reply, err := r.receipt(f.Disposition, nil, f.Text)
	if err != nil {
		return r.unavailable(err)
	}
	return r.recordRefusal(ctx, f.Disposition.String(), f.Error(), reply)
}

// refuseAsync answers a message that wants its receipt later, which this version does
// not do. Saying so at once is better than a receipt that never comes.
func (r *request) refuseAsync(ctx context.Context) as2.Reply {
	const text = "Asynchronous receipts are not supported by this station; please ask for a synchronous one."
	reply := as2.Reply{Status: 501, Header: []as2.Field{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, Body: []byte(text + "\n")}
	return r.recordRefusal(context.WithoutCancel(ctx), "none: HTTP 501", "an asynchronous receipt was asked for, to "+r.env.Receipt.Async, reply)
}

func (r *request) recordRefusal(ctx context.Context, disposition, fact string, reply as2.Reply) as2.Reply {
	id := r.id
	if id == "" {
		var err error
		if id, err = ledger.NewID(r.Now(), r.Rand); err != nil {
			return r.unavailable(err)
		}
	}
	row := ledger.Refusal{ID: id, At: r.Now().UTC(), From: r.env.From, To: r.env.To, MessageID: as2.StripID(r.env.MessageID), Remote: r.m.Remote, Disposition: disposition, Fact: fact}
	if r.p != nil {
		row.Partner = r.p.Name
	}
	err := r.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if err := tx.AddRefusal(row); err != nil {
			return err
		}
		return tx.AddEvent(r.event(id, ledger.Warning, "refused", "see the fact; the partner was told the disposition only", "message %s from %q refused: %s", r.env.MessageID, r.env.From, fact))
	})
	if err == nil && r.id != "" {
		err = r.Inbox.keepRefused(r.p, r.id)
	}
	if err != nil {
		return r.unavailable(err)
	}
	r.Log.Warn("refused", "id", id, "from", r.env.From, "to", r.env.To, "message_id", r.env.MessageID, "remote", r.m.Remote, "fact", fact)
	return reply
}

// keepRefused keeps the raw message as evidence and throws away what was opened. It
// may be repeated.
func (in *Inbox) keepRefused(p *Partner, id string) error {
	base := incoming(id)
	there, err := fsx.Exists(p.Folder, base)
	if err != nil || !there {
		return err
	}
	for _, name := range []string{filesDir, payloadFile} {
		if err := fsx.RemoveAll(p.Folder, path.Join(base, name)); err != nil {
			return err
		}
	}
	return fsx.Move(p.Folder, base, path.Join(evidenceDir, id))
}

// Check compares the ledger with the folders and changes nothing.
func (in *Inbox) Check(ctx context.Context) ([]ledger.Finding, error) {
	var findings []ledger.Finding
	for _, p := range in.partners {
		found, err := in.checkPartner(ctx, p)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func (in *Inbox) checkPartner(ctx context.Context, p *Partner) (findings []ledger.Finding, err error) {
	report := func(path, subject, fact, hint string) {
		findings = append(findings, ledger.Finding{Partner: p.Name, Path: path, Subject: subject, Fact: fact, Hint: hint})
	}
	entries, err := p.Folder.ReadDir(incomingDir)
	if err != nil {
		return nil, err
	}
	err = in.Ledger.View(ctx, func(tx *ledger.Tx) error {
		for _, e := range entries {
			received, refused, err := tx.Exists(e.Name())
			if err != nil {
				return err
			}
			if !received && !refused {
				report(path.Join(incomingDir, e.Name()), e.Name(), "the ledger does not know this message", "a message that is arriving now, or the remnant of a crash; the agent removes it at its next start")
			}
		}
		rows, err := tx.Unpublished(p.Name)
		for _, row := range rows {
			if row.Hold != "" {
				report(incoming(row.ID), row.ID, "held: "+row.Hold, "deliver it by hand from this folder")
			} else {
				report(incoming(row.ID), row.ID, "received at "+row.At.Format(time.DateTime)+" UTC and not yet in the inbox", "the agent publishes it at its next start")
			}
		}
		return err
	})
	return findings, err
}
