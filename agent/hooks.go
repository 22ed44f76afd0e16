package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/hooks"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// hookDrain is how long hooks that are running have when the agent is to stop.
const hookDrain = ShutdownGrace

// hookRunner runs the hooks of a config: in the folder of its file.
func (w *world) hookRunner(cfg *config.Config) (*hooks.Runner, error) {
	dir, err := filepath.Abs(filepath.Dir(cfg.Path))
	return &hooks.Runner{Dir: dir, Environ: os.Getenv, Agent: w.userAgent, Drain: hookDrain}, err
}

// hooksOf are hooks of the config as they are run.
func hooksOf(configured []config.Hook) (list []hooks.Hook) {
	for _, c := range configured {
		h := hooks.Hook{Name: c.Name, Command: c.Command, URL: c.URL, Timeout: c.Timeout, Attempts: c.Attempts, Header: http.Header{}}
		if c.URL != "" {
			h.Client = hooks.NewClient(c.Authorities)
		}
		for _, f := range c.Headers {
			h.Header.Set(f.Name, f.Value)
		}
		if c.Bearer != "" {
			h.Header.Set("Authorization", "Bearer "+c.Bearer)
		}
		list = append(list, h)
	}
	return list
}

func hookNames(configured []config.Hook) (names []string) {
	for _, h := range configured {
		names = append(names, h.Name)
	}
	return names
}

// hook gives a box its hooks, and the outbox those that it asks or owes.
func (w *world) hook(cfg *config.Config, b *box, o *outbox.Partner) error {
	runner, err := w.hookRunner(cfg)
	if err != nil {
		return err
	}
	p := b.partner
	folder, err := filepath.Abs(p.Folder)
	if err != nil {
		return err
	}
	for i, h := range hooksOf(p.Hooks.BeforeSend) {
		o.BeforeSend = append(o.BeforeSend, outbox.BeforeSend{Name: h.Name, OnError: outbox.OnError(p.Hooks.BeforeSend[i].OnError), Ask: askHook(runner, h, p, folder)})
	}
	o.AfterSent, o.AfterFailed = hookNames(p.Hooks.AfterSent), hookNames(p.Hooks.AfterFailed)
	b.hooks = &hooks.Owed{
		Ledger: w.ledger, Now: w.now, Log: w.log, Runner: runner, Partner: p.Name, Folder: folder, Inbox: "inbox", PartnerAS2ID: p.AS2ID, StationAS2ID: p.Station.AS2ID,
		Hooks: map[ledger.HookKind][]hooks.Hook{
			ledger.HookAfterSent: hooksOf(p.Hooks.AfterSent), ledger.HookAfterFailed: hooksOf(p.Hooks.AfterFailed), ledger.HookAfterReceived: hooksOf(p.Hooks.AfterReceived),
		},
		Sent: func(t *ledger.Transfer) []hooks.File { return hookFiles(b.outbox.HookFiles(t, t.FilePath)) },
	}
	return nil
}

// askHook asks one hook about batches.
func askHook(runner *hooks.Runner, h hooks.Hook, p *config.Partner, folder string) func(context.Context, outbox.Question) (outbox.Answer, string, error) {
	return func(ctx context.Context, q outbox.Question) (outbox.Answer, string, error) {
		in := hooks.BeforeSend(&q.Transfer, hooks.In(folder, hookFiles(q.Files)), folder, q.Folder, q.Out)
		in.PartnerAS2ID, in.StationAS2ID = p.AS2ID, p.Station.AS2ID
		out, err := runner.Run(ctx, &h, in)
		var failure *hooks.Failure
		if errors.As(err, &failure) {
			return outbox.Answer{}, fmt.Sprintf("%s: %s", h.What(), failure.Fact), nil
		}
		if err != nil {
			return outbox.Answer{}, "", err
		}
		a, err := hooks.ParseAnswer(out)
		if err != nil {
			return outbox.Answer{}, fmt.Sprintf("%s: %v", h.What(), err), nil
		}
		return outbox.Answer{Refuse: a.Reason, Files: a.Files}, "", nil
	}
}

// hookFiles are the files of a transfer as hooks are told of them.
func hookFiles(files []outbox.HookFile) (list []hooks.File) {
	for _, f := range files {
		list = append(list, hooks.File{Name: f.Name, Role: string(f.Role), Size: f.Size, SHA256: f.SHA256, Path: f.Place, ChangedBy: f.ChangedBy, Dropped: f.Dropped})
	}
	return list
}
