//go:build linux

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/pipeline"
)

// What a document writes before its POST, in bytes, as strace has it.
const (
	intentWrites  = 80 << 10 // pages of the ledger for the intent to claim it
	sealedWrites  = 56 << 10 // for the message and its first attempt
	messageWrites = 3300
	recordWrites  = 5200
)

// bare does for some documents, one after the other and with the pauses of leave, what the rules
// want done before a POST, in their order and as much of it at the same time as the agent does
// (outbox/doc.go): the syncs and the cryptography alone. How long each took is sorted.
func bare(t testing.TB, documents int) (took []time.Duration) {
	t.Helper()
	dir := t.TempDir()
	at := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	for _, name := range []string{"outbox", "work"} {
		must(t, os.Mkdir(at(name), 0o700))
	}
	ledger := fileIn(t)
	commit := func(n int) error {
		_, err := ledger.Write(make([]byte, n))
		return errors.Join(err, syscall.Fdatasync(int(ledger.Fd())))
	}
	key, text := rsaOf(t), bytes.Repeat([]byte("<Line><Item>bolt</Item></Line>\n"), 320)
	seal := []func() error{key.sign, key.encrypt, key.encrypt, deflated(t, int64(len(text)), text), hashed(t, int64(len(text)), nil), hashed(t, messageWrites, nil)}
	for n := range documents {
		wait(t.Context(), leastPause+rand.N(mostPause-leastPause))
		document, work := fmt.Sprintf("INV-%06d.xml", n), fmt.Sprint(n)
		must(t, os.WriteFile(at("outbox", document), text, 0o600))
		began := time.Now()
		must(t, beside(
			func() (err error) {
				for _, f := range seal {
					err = errors.Join(err, f())
				}
				return err
			},
			func() error { return commit(intentWrites) },
			func() error { return errors.Join(os.Mkdir(at("work", work), 0o700), synced(at("work"))) },
			func() error { return synced(at("outbox", document)) },
		))
		must(t, beside(
			func() error {
				return errors.Join(os.Rename(at("outbox", document), at("work", work, document)), synced(at("work", work)))
			},
			func() error { return writeSynced(at("work", work, "message"), messageWrites) },
			func() error { return writeSynced(at("work", work, "record.part"), recordWrites) },
		))
		must(t, beside(
			func() error {
				return errors.Join(os.Rename(at("work", work, "record.part"), at("work", work, "record")), synced(at("work", work)))
			},
			func() error { return synced(at("outbox")) },
		))
		must(t, commit(sealedWrites))
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took
}

// beside does all at the same time, as the agent does.
func beside(fs ...func() error) error {
	errs := make([]error, len(fs))
	var all []func()
	for i, f := range fs {
		all = append(all, func() { errs[i] = f() })
	}
	pipeline.Beside(all...)
	return errors.Join(errs...)
}

// synced syncs a file or folder by its name.
func synced(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func writeSynced(name string, n int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, n))
	return errors.Join(err, f.Sync(), f.Close())
}

// The sequence can be measured: each document of it took some time.
func TestBare(t *testing.T) {
	if took := bare(t, 3); len(took) != 3 || took[0] <= 0 || took[2] < took[0] {
		t.Errorf("%v", took)
	}
}
