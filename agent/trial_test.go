package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

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
