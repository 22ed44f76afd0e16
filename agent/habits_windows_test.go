package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

const shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

// hold opens a file or folder as another program does.
func hold(t *testing.T, name string, access, share, disposition uint32) windows.Handle {
	t.Helper()
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(p, access, share, nil, disposition, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func letGo(t *testing.T, h windows.Handle) {
	t.Helper()
	if err := windows.CloseHandle(h); err != nil {
		t.Fatal(err)
	}
}

// loopback is the folder of the partner that is ourselves.
func loopback(cfg *config.Config) string { return cfg.Partners[0].Folder }

func awaitFile(t *testing.T, pattern string) string {
	t.Helper()
	var found []string
	eventually(t, pattern, func() bool { found, _ = filepath.Glob(pattern); return len(found) > 0 })
	return found[0]
}

// waiting is what ls says of the files of the first partner.
func waiting(t *testing.T, cfg *config.Config) (text string) {
	t.Helper()
	i, err := Inspect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close() // nothing was written
	in, err := i.Look(t.Context(), cfg.Partners[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range in.Waiting {
		text += fmt.Sprintf("%s %s: %s\n", w.Name, w.Reason, w.Text)
	}
	return text
}

// A file waits as long as the program that writes it has it open, however long it stands
// still, and goes when it is closed. Others do not wait for it.
func TestAFileThatIsStillOpenWaits(t *testing.T) {
	cfg, dir := setUp(t, nil)
	start(t, cfg)
	drop(t, dir, "loopback", "INV-0.xml")
	awaitFile(t, filepath.Join(loopback(cfg), "sent", "*", "INV-0.*", "receipt.mdn"))

	slow := filepath.Join(loopback(cfg), "outbox", "INV-1.xml")
	h := hold(t, slow, windows.GENERIC_WRITE, shareAll, windows.CREATE_NEW)
	var n uint32
	if err := windows.WriteFile(h, []byte("<Invoice>"), &n, nil); err != nil {
		t.Fatal(err)
	}
	drop(t, dir, "loopback", "INV-2.xml")
	awaitFile(t, filepath.Join(loopback(cfg), "sent", "*", "INV-2.*", "receipt.mdn"))
	if _, err := os.Stat(slow); err != nil {
		t.Errorf("the file that is still written: %v", err)
	}
	if text := waiting(t, cfg); !strings.Contains(text, `INV-1.xml busy: another program has "INV-1.xml" open for writing`) {
		t.Errorf("ls says %q", text)
	}
	if err := windows.WriteFile(h, []byte("</Invoice>"), &n, nil); err != nil {
		t.Fatal(err)
	}
	letGo(t, h)
	sent := awaitFile(t, filepath.Join(loopback(cfg), "sent", "*", "INV-1.*", "INV-1.xml"))
	if b, err := os.ReadFile(sent); string(b) != "<Invoice></Invoice>" {
		t.Errorf("sent %q, %v", b, err)
	}
}

// A folder that another program has open stays where it is until it is let go; the
// verdict is committed before, the reason is told, and nothing is posted again.
func TestAFolderInUseIsFiledLater(t *testing.T) {
	answer, posts := make(chan bool), make(chan bool, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		posts <- true
		<-answer
		w.WriteHeader(http.StatusBadRequest) // final
	}))
	t.Cleanup(s.Close)
	cfg, dir := setUp(t, map[string]string{"strict": s.URL})
	start(t, cfg)
	drop(t, dir, "strict", "INV-1.xml")
	<-posts
	strict := filepath.Join(dir, "data", "partners", "strict")
	work := awaitFile(t, filepath.Join(strict, ".work", "*"))
	h := hold(t, work, windows.FILE_LIST_DIRECTORY, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, windows.OPEN_EXISTING)
	close(answer)

	i, err := Inspect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close() // nothing was written
	var fault ledger.Event
	eventually(t, "an alarm names the folder", func() bool {
		err := i.Ledger().View(t.Context(), func(tx *ledger.Tx) error {
			events, err := tx.RecentEvents("strict", 20)
			for _, e := range events {
				if strings.Contains(e.Text, ".work/"+filepath.Base(work)) {
					fault = e
				}
			}
			return err
		})
		return err == nil && fault.Text != ""
	})
	if fault.Level != ledger.Alarm || !strings.Contains(fault.Hint, "by itself") {
		t.Errorf("%+v", fault)
	}
	if failed, _ := filepath.Glob(filepath.Join(strict, "failed", "*")); failed != nil {
		t.Errorf("moved although it is in use: %v", failed)
	}
	letGo(t, h)
	awaitFile(t, filepath.Join(strict, "failed", "INV-1.*", "WHY.txt"))
	if _, err := os.Stat(work); err == nil {
		t.Error("it is in .work too")
	}
	if len(posts) > 0 {
		t.Error("it was posted again")
	}
}

// Names that only a share, or a program that goes around the rules, can make: they are
// told, and everything else goes on. The attribute "read-only" means nothing to us.
func TestNamesThatCannotBeOpened(t *testing.T) {
	cfg, dir := setUp(t, nil)
	start(t, cfg)
	drop(t, dir, "loopback", "INV-0.xml")
	awaitFile(t, filepath.Join(loopback(cfg), "sent", "*", "INV-0.*", "receipt.mdn"))
	odd := []string{"NUL.xml", "COM1.xml", "INV-5.xml.", "INV-6.xml "}
	for _, name := range odd {
		if err := os.WriteFile(`\\?\`+filepath.Join(loopback(cfg), "outbox")+`\`+name, []byte("<Invoice/>"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	readOnly := filepath.Join(dir, "INV-7.xml")
	if err := os.WriteFile(readOnly, []byte("<Invoice/>"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(readOnly, filepath.Join(loopback(cfg), "outbox", "INV-7.xml")); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(loopback(cfg), "sent", "*", "INV-7.*", "receipt.mdn"))
	text := waiting(t, cfg)
	for _, want := range []string{"NUL.xml unreadable: \"NUL.xml\" is a device", "COM1.xml unreadable: ", "INV-5.xml. unreadable: \"INV-5.xml.\" ends with a dot", "INV-6.xml  unreadable: "} {
		if !strings.Contains(text, want) {
			t.Errorf("ls does not say %s:\n%s", want, text)
		}
	}
	for _, name := range odd { // the folder of the test is removed by names, too
		p, err := windows.UTF16PtrFromString(`\\?\` + filepath.Join(loopback(cfg), "outbox") + `\` + name)
		if err == nil {
			err = windows.DeleteFile(p)
		}
		if err != nil {
			t.Errorf("%q was touched: %v", name, err)
		}
	}
	// It goes on without them.
	drop(t, dir, "loopback", "INV-8.xml")
	awaitFile(t, filepath.Join(loopback(cfg), "sent", "*", "INV-8.*", "receipt.mdn"))
}

// A partner's folder may lie as deep as it likes, and names may be long too.
func TestFoldersBeyond260(t *testing.T) {
	cfg, dir := setUp(t, nil)
	long := strings.Repeat("l", 120)
	cfg.Partners[0].Folder = filepath.Join(dir, long, long, long)
	key := "INV-" + strings.Repeat("1", 190)
	start(t, cfg)
	box := filepath.Join(loopback(cfg), "outbox")
	eventually(t, "the outbox", func() bool { _, err := os.Stat(box); return err == nil })
	for _, name := range []string{key + "_scan.pdf", key + ".xml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(box, name)); err != nil {
			t.Fatal(err)
		}
	}
	awaitFile(t, filepath.Join(loopback(cfg), "sent", "*", "INV-1*", "receipt.mdn"))
	awaitFile(t, filepath.Join(loopback(cfg), "inbox", key+".xml"))
	i, err := Inspect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close() // nothing was written
	found, err := i.Check(t.Context())
	if err != nil || len(found) > 0 {
		t.Errorf("check: %v, %v", found, err)
	}
}

// On a share nobody is told of what other machines do: the outbox is polled, and nothing
// else is different. The ledger is refused there.
func TestOnAShareItIsPolled(t *testing.T) {
	cfg, _ := setUp(t, nil)
	share, err := os.MkdirTemp(`\\server\share`, "as2drop-test-") // .ci/wine.sh makes the share
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(share); err != nil {
			t.Error(err)
		}
	})
	cfg.Partners[0].Folder, cfg.Partners[0].Outbox.Poll = filepath.Join(share, "loopback"), time.Second
	var n told
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg, Options{Log: slog.New(slog.NewTextHandler(&n, nil)), Version: "test"}) }()
	box := filepath.Join(loopback(cfg), "outbox")
	eventually(t, "the outbox", func() bool { _, err := os.Stat(box); return err == nil })
	if err := os.WriteFile(filepath.Join(box, "INV-1.xml"), []byte("<Invoice/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(loopback(cfg), "sent", "*", "INV-1.*", "receipt.mdn"))
	awaitFile(t, filepath.Join(loopback(cfg), "inbox", "INV-1.xml"))
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	n.mu.Lock()
	log := n.log.String()
	n.mu.Unlock()
	if !strings.Contains(log, "the folder is polled") || !strings.Contains(log, `network="network share"`) {
		t.Errorf("nobody is told that it is polled:\n%s", log)
	}

	cfg, _ = setUp(t, nil)
	cfg.DataDir = filepath.Join(share, "data")
	err = Run(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err == nil || !strings.Contains(err.Error(), "the ledger must be on a local disk, this is a network share") {
		t.Errorf("a ledger on a share: %v", err)
	}
}
