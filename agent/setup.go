package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/hooks"
	"github.com/as2drop/as2drop/outbox"
)

// setup is what is configured at one time, with what is open for it. It is never changed:
// another one takes its place, and whoever works with the old one finishes with it.
type setup struct {
	cfg   *config.Config
	taken time.Time // when the config was taken
	boxes []*box    // in the order of the file
	inbox *inbox.Inbox
}

// box is one partner with what is open for it.
type box struct {
	partner  *config.Partner
	folder   fsx.FS
	outbox   *outbox.Outbox
	hooks    *hooks.Owed
	client   *as2.Client
	fault    error         // why the partner is out of order; folder and outbox are nil then
	network  string        // the kind of share that the folder is on; empty = a local disk
	patience time.Duration // for a look at the folder
	looks    *question     // whether the folder is there
	marks    *question     // writing its marker
}

// find returns the box of a partner, nil if there is none.
func (s *setup) find(partner string) *box {
	for _, b := range s.boxes {
		if b.partner.Name == partner {
			return b
		}
	}
	return nil
}

// opener opens the folder of a partner.
type opener func(context.Context, *config.Config, *config.Partner) (fsx.FS, error)

// newSetup opens what a config names. What the former setup has open stays open: the
// folder of a partner that is where it was, and the connections to one that says the same.
func (w *world) newSetup(ctx context.Context, cfg *config.Config, former *setup, open opener) *setup {
	s := &setup{cfg: cfg, taken: w.now(), boxes: make([]*box, len(cfg.Partners))}
	forEach(len(cfg.Partners), func(i int) { // one whose folder hangs keeps nobody else
		p := cfg.Partners[i]
		var old *box
		if former != nil {
			old = former.find(p.Name)
		}
		s.boxes[i] = w.newBox(ctx, cfg, p, old, open)
	})
	w.receiveFor(s, former)
	return s
}

func (w *world) newBox(ctx context.Context, cfg *config.Config, p *config.Partner, old *box, open opener) *box {
	b := &box{partner: p, patience: w.hands.look, looks: &question{}, marks: &question{}}
	if old != nil && old.fault == nil && old.partner.Folder == p.Folder {
		b.folder, b.network, b.looks, b.marks = old.folder, old.network, old.looks, old.marks
		if !sameAccess(old.partner, p) {
			b.fault = w.inTurn(ctx, p.Name, w.hands.work, func() error { return share(cfg, p, b.folder) }, func() {})
		}
		if b.fault != nil {
			b.folder = nil
			return b
		}
	} else if b.folder, b.network, b.fault = w.openPatiently(ctx, cfg, p, open); b.fault != nil {
		return b
	}
	d := outbox.Deps{Ledger: w.ledger, Now: w.now, Rand: w.rand, Process: w.process, Config: cfg.Hash, UserAgent: w.userAgent, Turn: w.shared.take, Hooked: w.hooked.wake}
	if old != nil && old.client != nil && reflect.DeepEqual(clientOptions(old.partner), clientOptions(p)) {
		b.client = old.client
	} else {
		b.client = client(p)
	}
	d.Post = watched{b.client, &w.flights, w.now}
	o := outboxPartner(cfg, p, b.folder)
	if err := w.hook(cfg, b, &o); err != nil {
		b.fault, b.folder = err, nil
		return b
	}
	b.outbox = w.newOutbox(d, o)
	return b
}

// openPatiently opens a folder, unless it takes too long, and says what share it is on.
func (w *world) openPatiently(ctx context.Context, cfg *config.Config, p *config.Partner, open opener) (fsx.FS, string, error) {
	var dir fsx.FS
	var network string
	err := w.inTurn(ctx, p.Name, w.hands.work, func() (err error) {
		if dir, err = open(ctx, cfg, p); err != nil {
			return err
		}
		if network, err = w.hands.network(p.Folder); err != nil {
			return errors.Join(folderError(cfg, p, err.Error(), ""), dir.Close())
		}
		return nil
	}, func() {
		dir.Close() // a handle on a folder: nothing can be lost
	})
	if errors.Is(err, errHangs) {
		err = folderError(cfg, p, err.Error(), "nothing of the partner goes on until it answers; it is tried again by itself")
	}
	if err != nil {
		return nil, "", err
	}
	return &anchored{dir, p.Folder}, network, nil
}

// newOutbox follows the partner's last outbox, also if the partner left the config and has
// come back.
func (w *world) newOutbox(d outbox.Deps, p outbox.Partner) *outbox.Outbox {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := w.outboxes[p.Name]; last != nil {
		w.outboxes[p.Name] = last.With(d, p)
	} else {
		w.outboxes[p.Name] = outbox.New(d, p)
	}
	return w.outboxes[p.Name]
}

// receiveFor gives a setup its inbox. A partner that is out of order stays known: what it
// sends is asked for again, not refused.
func (w *world) receiveFor(s, former *setup) {
	partners := make([]inbox.Partner, 0, len(s.boxes))
	for _, b := range s.boxes {
		partners = append(partners, inboxPartner(s.cfg, b))
	}
	d := inbox.Deps{Ledger: w.ledger, Now: w.now, Rand: w.rand, Log: w.log, Wake: w.incoming.wake, Hooked: w.hooked.wake, Process: w.process, Config: s.cfg.Hash, UserAgent: w.userAgent}
	if former == nil {
		s.inbox = inbox.New(d, partners)
	} else {
		s.inbox = former.inbox.With(d, partners)
	}
}

// reopened is the setup with a partner's folder opened anew. The partner's recovery is
// made before anything can be received for it.
func (w *world) reopened(ctx context.Context, s *setup, partner string) (*setup, error) {
	old := s.find(partner)
	if old == nil {
		return nil, fmt.Errorf("%s has no partner %q any more", s.cfg.Path, partner)
	}
	dead := *old
	dead.fault = errors.New("to be opened anew")
	b := w.newBox(ctx, s.cfg, old.partner, &dead, w.partnerFolder)
	if b.fault != nil {
		return nil, b.fault
	}
	next := &setup{cfg: s.cfg, taken: s.taken}
	for _, other := range s.boxes {
		if other == old {
			other = b
		}
		next.boxes = append(next.boxes, other)
	}
	w.receiveFor(next, s)
	var err error
	if old.fault != nil { // otherwise its transfers are under way
		err = w.recoverBox(ctx, b, next.inbox, 0)
	} else if err = next.inbox.RecoverPartner(ctx, partner); err != nil {
		err = errors.Join(err, b.folder.Close())
	}
	if err != nil {
		return nil, err
	}
	return next, nil
}
