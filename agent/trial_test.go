package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/outbox"
)

// A receipt is kept for a test only if somebody waits for just this one; what comes from
// outside never becomes a name.
func TestReceiptsForTrials(t *testing.T) {
	dir := t.TempDir()
	w := &world{dataDir: dir}
	if is, err := w.forTrial("<1@us>", nil, nil); is || err != nil {
		t.Errorf("nobody ever tested: %v, %v", is, err)
	}
	data, err := fsx.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if err := fsx.MkdirAll(data, waitingDir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := fsx.Rewrite(data, waitingName("<1@us>"), 0o640, nil); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"<2@us>", "../../1@us", ""} {
		if is, err := w.forTrial(id, nil, nil); is || err != nil {
			t.Errorf("%q: %v, %v", id, is, err)
		}
	}
	header := http.Header{"As2-From": {"THEM"}}
	if is, err := w.forTrial("1@us", header, []byte("the receipt")); !is || err != nil {
		t.Fatalf("%v, %v", is, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(waitingName("<1@us>")+receiptExt)))
	if err != nil {
		t.Fatal(err)
	}
	h, body, err := outbox.ReadReceipt(raw)
	if err != nil || h.Get("AS2-From") != "THEM" || string(body) != "the receipt" {
		t.Errorf("%v %q %v", h, body, err)
	}
}

// What tests left behind that were killed is removed by a later one, and that of a test
// that may go on is not.
func TestLeftoversOfTrials(t *testing.T) {
	cfg, _ := setUp(t, map[string]string{"acme": "http://127.0.0.1:1/as2"})
	moment := time.Now()
	open := func() *Trials {
		trials, err := OpenTrials(cfg, cfg.Partners[0], "test", func() time.Time { return moment })
		if err != nil {
			t.Fatal(err)
		}
		return trials
	}
	killed := open()
	trial, err := killed.New("test.txt", "a test", "a test")
	if err != nil {
		t.Fatal(err)
	}
	if err := fsx.Rewrite(killed.data, waitingName("<1@us>"), 0o640, nil); err != nil {
		t.Fatal(err)
	}
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	left := func() (names []string) {
		for _, pattern := range []string{"*/.work/*", ".waiting/*"} {
			found, err := filepath.Glob(filepath.Join(cfg.DataDir, trialsDir, filepath.FromSlash(pattern)))
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, found...)
		}
		return names
	}
	for after, want := range map[time.Duration]int{0: 2, outbox.TrialsEnd - time.Minute: 2} {
		moment = time.Now().Add(after)
		if err := open().Close(); err != nil {
			t.Fatal(err)
		}
		if got := left(); len(got) != want {
			t.Errorf("%v after %s: %q", after, trial.ID, got)
		}
	}
	moment = time.Now().Add(outbox.TrialsEnd + time.Minute)
	if err := open().Close(); err != nil {
		t.Fatal(err)
	}
	if got := left(); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}
