package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// reloads takes the config anew when it is asked to, and when the file or one that it
// names has changed.
func (a *running) reloads(ctx context.Context) {
	files := newConfigFiles(a.setup().cfg)
	hint := make(chan struct{}, 1)
	hinted := func() {
		select {
		case hint <- struct{}{}:
		default:
		}
	}
	settling := true // somebody may have written before anybody watched
	tick := time.NewTicker(configSettle)
	defer tick.Stop()
	a.watchConfig(hinted)
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-a.options.Reload:
			asked = true
		case <-hint:
			// A log may lie in the same folder, and have a line. What was refused names
			// files that nobody here knows.
			touched := files.touched() || a.refused() != ""
			// Whoever writes a file may not be through with it, or with the next one.
			if touched && !settling {
				settling = true
				tick.Reset(configSettle)
			}
			continue
		case <-tick.C:
		}
		state := files.look()
		settling = state == filesChanging && !asked
		if settling {
			tick.Reset(configSettle)
			continue
		}
		// What was refused may have been mended in a file that only the refused one names.
		if asked || state != filesSame || a.refused() != "" {
			if read := a.reload(ctx, asked); read != nil {
				files = newConfigFiles(read)
			} else {
				files.refused()
			}
		}
		tick.Reset(a.watchConfig(hinted))
	}
}

const (
	configSettle    = time.Second      // for which the files must stand still before they are read
	configPollQuick = 5 * time.Second  // how often they are looked at without file events
	configPollSlow  = 30 * time.Second // and with them
)

// watchConfig has file events of the config, and of what it names, shorten the wait, and
// returns how often they are to be looked at.
func (a *running) watchConfig(hinted func()) (poll time.Duration) {
	if a.options.NoWatch {
		return configPollQuick
	}
	poll = configPollSlow
	cfg := a.setup().cfg
	var folders []string
	for f := range cfg.Files {
		folders = append(folders, filepath.Dir(f))
	}
	slices.Sort(folders)
	for _, dir := range slices.Compact(folders) {
		kind, err := a.hands.network(dir)
		if err == nil && kind == "" {
			err = a.watch.add(dir, func(bool) { hinted() })
		}
		if err != nil || kind != "" {
			poll = configPollQuick
		}
	}
	return poll
}

// reload takes the config as the files say now: as a whole, or not at all. What it says
// is logged either way; the same mistakes only once, unless somebody asked. It returns
// what was read, nil if that was not taken.
func (a *running) reload(ctx context.Context, asked bool) *config.Config {
	a.notify(Reloading)
	defer a.notify(Ready)
	now := a.setup()
	read, changes, err := a.take(ctx, now.cfg.Path)
	told := a.refused()
	a.refusal.Store(nil)
	if err != nil {
		text := err.Error()
		a.refusal.Store(&text)
	}
	switch {
	case ctx.Err() != nil || err != nil && told == a.refused() && !asked:
		return read
	case err != nil:
		a.log.Error("the config was not taken; the former one stays in force", "file", now.cfg.Path)
		for _, e := range mistakes(err) {
			a.log.Error("mistake in the config", "error", e)
		}
		err = a.event(ctx, ledger.Alarm, "", "config-refused", "the config was not taken, the former one stays in force: "+err.Error(), "as2drop check shows the same; correct the file, it is read again by itself")
	case len(changes) == 0:
		a.log.Info("the config was read again; nothing has changed", "file", now.cfg.Path)
	default:
		for _, c := range changes {
			a.log.Info("config changed", "path", c.Path, "change", c.Text)
		}
		for _, warning := range a.setup().cfg.Warnings {
			a.log.Warn(warning.Error())
		}
		a.log.Info("the config was taken", "file", now.cfg.Path, "changes", len(changes))
		err = a.recordChanges(ctx, changes)
	}
	if err != nil {
		a.log.Error("ledger", "error", err)
	}
	return read
}

// refused is why the config was not taken last; empty = it was.
func (a *running) refused() string {
	if text := a.refusal.Load(); text != nil {
		return *text
	}
	return ""
}

// mistakes are the lines of an error of config.Load.
func mistakes(err error) []error {
	var es config.Errors
	if !errors.As(err, &es) {
		return []error{err}
	}
	all := make([]error, len(es))
	for i, e := range es {
		all[i] = e
	}
	return all
}

// maxChanges is how many changes one event tells of.
const maxChanges = 50

// recordChanges makes the changes events: those of each partner one, and those of nobody
// alone.
func (a *running) recordChanges(ctx context.Context, changes []config.Change) error {
	texts := map[string]string{}
	for i, c := range changes {
		switch {
		case i < maxChanges:
			texts[c.Partner] += "; " + c.String()
		case i == maxChanges:
			texts[""] += fmt.Sprintf("; and %d more, which are in the log", len(changes)-maxChanges)
		}
	}
	now := a.now().UTC()
	return a.ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		for partner, text := range texts {
			if err := tx.AddEvent(ledger.Event{At: now, Level: ledger.Info, Partner: partner, Code: "config-changed", Text: text[len("; "):]}); err != nil {
				return err
			}
		}
		return nil
	})
}

// take loads a config and puts it in force. On an error nothing has changed.
func (a *running) take(ctx context.Context, path string) (*config.Config, []config.Change, error) {
	cfg, err := config.Load(path, a.now())
	if err != nil {
		return nil, nil, err
	}
	now := a.setup()
	changes := config.Diff(now.cfg, cfg)
	if len(changes) == 0 {
		return cfg, nil, nil
	}
	if cfg.DataDir != now.cfg.DataDir {
		return nil, nil, fmt.Errorf("%s: data_dir cannot change from %s to %s while the agent runs; stop it, move the folder, and start it", path, now.cfg.DataDir, cfg.DataDir)
	}
	listeners, err := a.listen(cfg, a.listeners)
	if err != nil {
		return nil, nil, err
	}
	told, err := a.listenForHealth(cfg, a.told)
	if err != nil {
		return nil, nil, errors.Join(err, closeNew(listeners, a.listeners))
	}
	shown, err := a.listenForConsole(cfg, a.console)
	undo := func(err error) error {
		return errors.Join(err, shown.closeNew(a.console), told.closeNew(a.told), closeNew(listeners, a.listeners))
	}
	if err != nil {
		return nil, nil, undo(err)
	}
	if err := a.record(ctx, cfg); err != nil {
		return nil, nil, undo(err)
	}
	if a.options.Take != nil {
		if err := a.options.Take(cfg); err != nil {
			return nil, nil, undo(fmt.Errorf("%s: %w", path, err))
		}
	}
	for {
		next := a.recoverNew(ctx, now, a.newSetup(ctx, cfg, now, a.partnerFolder))
		if err := ctx.Err(); err != nil {
			closeUnshared(next, now)
			return nil, nil, undo(err)
		}
		if a.replace(now, next) {
			a.tellHealth(told)
			a.showConsole(shown)
			a.settle(ctx, now, next, listeners)
			return cfg, changes, nil
		}
		closeUnshared(next, now)
		now = a.setup() // a folder came back meanwhile
	}
}

// recoverNew finishes what an earlier process left of partners that were not open until
// now, before anything new begins for them.
func (a *running) recoverNew(ctx context.Context, former, next *setup) *setup {
	return a.recovered(ctx, next, func(b *box) (bool, error) {
		if old := former.find(b.partner.Name); old != nil && old.fault == nil {
			return false, nil
		}
		return true, a.awaitEnd(ctx, b.partner.Name)
	})
}

// closeNew closes what was opened for a config that is not taken.
func closeNew(listeners, open []*listener) (err error) {
	for _, l := range listeners {
		if !slices.Contains(open, l) {
			err = errors.Join(err, l.net.Close())
		}
	}
	return err
}

// closeUnshared closes the folders that only one of two setups has open.
func closeUnshared(s, other *setup) {
	for _, b := range s.boxes {
		if o := other.find(b.partner.Name); b.folder != nil && (o == nil || o.folder != b.folder) {
			b.folder.Close() // a handle on a folder: nothing can be lost
		}
	}
}

// settle does what follows from a new setup that is in force.
func (a *running) settle(ctx context.Context, former, next *setup, listeners []*listener) {
	a.changing.Lock()
	old := a.listeners
	a.listeners = listeners
	a.changing.Unlock()
	for _, l := range listeners {
		if !slices.Contains(old, l) {
			a.serve([]*listener{l})
		}
	}
	for _, l := range old {
		if !slices.Contains(listeners, l) {
			a.log.Info("listening ends", "address", l.address)
			a.group.Go(func() { l.shutdown(ShutdownGrace) })
		}
	}
	for _, b := range next.boxes {
		old := former.find(b.partner.Name)
		switch {
		case b.fault != nil:
			a.log.Error("partner out of order", "partner", b.partner.Name, "error", b.fault)
		case old != nil && old.fault == nil:
			if err := b.outbox.EndHolds(ctx); err != nil {
				a.log.Error("holds", "partner", b.partner.Name, "error", err)
			}
			a.transfers.wake(b.partner.Name)
		}
		if old != nil && old.folder != nil && old.folder != b.folder {
			old.folder.Close() // a handle on a folder: nothing can be lost, and a step in it is repeated
		}
	}
	for _, b := range former.boxes {
		if next.find(b.partner.Name) == nil {
			a.tellOpen(ctx, b.partner.Name)
		}
	}
}

// tellOpen says what stays undone of a partner that left the config.
func (a *running) tellOpen(ctx context.Context, partner string) {
	var open []ledger.Transfer
	err := a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenTransfers(partner); return err })
	switch {
	case err != nil:
		a.log.Error("ledger", "error", err)
	case len(open) > 0:
		a.log.Warn("a partner left the config with transfers that are not settled; they stay where they are, and go on when it is back", "partner", partner, "transfers", len(open))
		if err := a.event(ctx, ledger.Alarm, partner, "partner-left", fmt.Sprintf("the partner left the config with %d transfers that are not settled", len(open)), "put it back into the config to have them go on"); err != nil {
			a.log.Error("ledger", "error", err)
		}
	}
}
