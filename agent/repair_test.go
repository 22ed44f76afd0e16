package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// worked is a site whose agent sent one document to itself and ended.
func worked(t *testing.T) *config.Config {
	t.Helper()
	cfg, dir := setUp(t, map[string]string{"other": "http://127.0.0.1:1/as2"})
	untilIdle(t, cfg)
	drop(t, dir, "loopback", "INV-1.xml")
	untilIdle(t, cfg)
	return cfg
}

func untilIdle(t *testing.T, cfg *config.Config) {
	t.Helper()
	if err := Run(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Version: "test", UntilIdle: true}); err != nil {
		t.Fatal(err)
	}
}

// ledgerFiles moves the files of a ledger, or copies them.
func ledgerFiles(t *testing.T, from, to string, do func(from, to string) error) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := do(from+suffix, to+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	return err
}

// mended runs a repair and gives what it did.
func mended(t *testing.T, cfg *config.Config) string {
	t.Helper()
	var b strings.Builder
	err := Repair(context.Background(), cfg, func(f ledger.Finding) {
		b.WriteString(f.Partner + " " + f.Path + ": " + f.Fact + "; " + f.Repair + "\n")
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func checked(t *testing.T, cfg *config.Config) string {
	t.Helper()
	found, _, err := Check(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range found {
		b.WriteString(f.Partner + " " + f.Path + ": " + f.Fact + "; " + f.Hint + "; " + f.Repair + "\n")
	}
	return b.String()
}

// faults are those of the partners at a start.
func faults(t *testing.T, cfg *config.Config) (text string) {
	t.Helper()
	w, err := openWorld(t.Context(), cfg, slog.New(slog.DiscardHandler), "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range w.setup().boxes {
		if b.fault != nil {
			text += b.fault.Error() + "\n"
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return text
}

// An older ledger does not become a newer one by being started often: each start counts
// the generation up, and what counts is what each folder has seen.
func TestStartsDoNotMakeALedgerNewer(t *testing.T) {
	cfg := worked(t)
	path := LedgerPath(cfg.DataDir)
	ledgerFiles(t, path, path+".old", copyFile)
	untilIdle(t, cfg)
	ledgerFiles(t, path+".old", path, copyFile)
	for n := range 4 {
		if text := faults(t, cfg); strings.Count(text, "as2drop check --repair") != 2 {
			t.Fatalf("start %d: %q", n, text)
		}
	}
	if text := mended(t, cfg); !strings.Contains(text, "the partner goes on") {
		t.Error(text)
	}
	if text := faults(t, cfg) + checked(t, cfg); text != "" {
		t.Error(text)
	}
}

// A folder that was away while the ledger was rebuilt is not taken for a new one when it
// is back.
func TestRepairOfAFolderThatWasAway(t *testing.T) {
	cfg := worked(t)
	path, folder := LedgerPath(cfg.DataDir), cfg.Partners[0].Folder
	ledgerFiles(t, path, "", func(from, _ string) error { return os.Remove(from) })
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	if text := mended(t, cfg); !strings.Contains(text, "a new one is made") || strings.Contains(text, "INV-1") {
		t.Error(text)
	}
	if err := os.Rename(folder+".away", folder); err != nil {
		t.Fatal(err)
	}
	if text := faults(t, cfg); !strings.Contains(text, "the ledger does not know that") {
		t.Errorf("it is taken for a new one: %q", text)
	}
	if text := checked(t, cfg); !strings.Contains(text, "loopback .as2drop: the ledger does not know") {
		t.Error(text)
	}
	if text := mended(t, cfg); !strings.Contains(text, "INV-1") {
		t.Error(text)
	}
	if text := faults(t, cfg) + checked(t, cfg); text != "" {
		t.Error(text)
	}
}

// A repair that was stopped when the new ledger was complete and not in its place yet goes
// on from there.
func TestRepairThatWasStopped(t *testing.T) {
	cfg := worked(t)
	path := LedgerPath(cfg.DataDir)
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(cfg.DataDir, rescued)
	if _, err := l.Backup(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// The damaged one is still there; then only a part of it was put aside; then all.
	garbage := []byte(strings.Repeat("garbage!", 1024))
	for _, left := range [][]string{{"", "-wal"}, {""}, {}} {
		ledgerFiles(t, path, "", func(from, _ string) error { return os.Remove(from) })
		for _, suffix := range left {
			if err := os.WriteFile(path+suffix, garbage, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := copyFile(fresh, fresh+".kept"); err != nil {
			t.Fatal(err)
		}
		text := mended(t, cfg)
		if !strings.Contains(text, "the new ledger takes its place") && !strings.Contains(text, "a new ledger takes its place") {
			t.Errorf("%q left: %s", left, text)
		}
		if text := checked(t, cfg); text != "" {
			t.Errorf("%q left: %s", left, text)
		}
		if err := os.Rename(fresh+".kept", fresh); err != nil {
			t.Fatal(err)
		}
	}
}

// Folders that belong to different agents are no ground to build a ledger on.
func TestRepairOfTwoAgents(t *testing.T) {
	cfg := worked(t)
	ledgerFiles(t, LedgerPath(cfg.DataDir), "", func(from, _ string) error { return os.Remove(from) })
	foreign := filepath.Join(cfg.Partners[1].Folder, markerFile)
	if err := os.WriteFile(foreign, []byte(`{"agent":"x","folder":"y","generation":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Repair(context.Background(), cfg, func(f ledger.Finding) { t.Error(f) })
	if err == nil || !strings.Contains(err.Error(), "by 2 different agents") {
		t.Error(err)
	}
	if there, err := ledger.Exists(LedgerPath(cfg.DataDir)); there || err != nil {
		t.Error("a ledger was made", err)
	}
}

// What is left of partners that have left the config is found; receipts whose time is over
// end with a repair.
func TestStraysAreFound(t *testing.T) {
	cfg := worked(t)
	l, err := ledger.Open(LedgerPath(cfg.DataDir), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Update(t.Context(), func(tx *ledger.Tx) error {
		return errors.Join(
			tx.OweMDN(&ledger.OwedMDN{Received: "r1", Partner: "gone", Open: true, Posting: true, Posts: 1, Deadline: time.Now().Add(-time.Hour)}),
			tx.OpenAttempt(ledger.Attempt{Transfer: "r1", N: 1}),
			tx.OweMDN(&ledger.OwedMDN{Received: "r2", Partner: "gone", Open: true, Deadline: time.Now().Add(time.Hour)}),
			tx.InsertStored(&ledger.Stored{ID: "s1", Partner: "gone", Open: true}))
	})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	const still = "it is not in the config any more, and there are 1 messages that nobody has opened, "
	if text := checked(t, cfg); !strings.Contains(text, still+"2 receipts that are owed") || !strings.Contains(text, "1 receipts whose time is over are given up") {
		t.Error(text)
	}
	if text := mended(t, cfg); !strings.Contains(text, "1 receipts whose time is over are given up") {
		t.Error(text)
	}
	if text := checked(t, cfg); !strings.Contains(text, still+"1 receipts that are owed") || strings.Contains(text, "given up") {
		t.Error(text)
	}
	if text := mended(t, cfg); text != "" {
		t.Errorf("again: %s", text)
	}
}
