package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// A disk that is full, or gone, costs no message: it stays stored and is tried again.
func TestFaultsOfOursKeepItStored(t *testing.T) {
	w := newWorld(message{})
	full := true
	w.fs = func(f fsx.FS) fsx.FS { return &fullDisk{f, &full} }
	in := w.opened(t)
	post(in, asLater(seal(zipped(batch), nil)))
	next, err := in.Work(context.Background(), "acme")
	if !errors.Is(err, syscall.ENOSPC) || !next.Equal(moment.Add(retryAfter)) || len(w.content()) > 0 || !w.hasEvent(in, ledger.Alarm, "stored-waits") {
		t.Errorf("%v, %v, %v", next, err, w.content())
	}
	rec := recordOf(in.Ledger)
	if len(rec.stored) != 1 || rec.stored[0].Tries != 1 || len(rec.refused) > 0 {
		t.Fatalf("%+v", rec)
	}
	for name := range w.disk.Tree() {
		if openedName(path.Base(name)) {
			t.Errorf("left on the full disk: %s", name)
		}
	}
	full = false
	must(w.work(in))
	if len(w.content()) != 3 || w.posts != 1 {
		t.Errorf("%v, %d posts", w.content(), w.posts)
	}
	// One that listed it before and comes to it now finds nothing to do.
	must(in.openOne(context.Background(), in.names["acme"], rec.stored[0].ID))
	in.names["acme"].Ready = func() error { return errors.New("not mounted") }
	if next, err := in.Work(context.Background(), "acme"); err == nil || !next.Equal(w.now.Add(retryAfter)) {
		t.Error(next, err)
	}
	if _, err := in.Work(context.Background(), "nobody"); err == nil {
		t.Error("work for nobody")
	}
}

// fullDisk has no room for what is in a message.
type fullDisk struct {
	fsx.FS
	full *bool
}

func (f *fullDisk) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	if *f.full && flag == fsx.CreateNew && openedName(path.Base(name)) {
		return fullFile{file}, err
	}
	return file, err
}

type fullFile struct{ fsx.File }

// A message that makes the agent panic keeps no other one from being opened, and is
// held at last.
func TestPanicsAreHeld(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	commit := in.commit
	in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
		if row.MessageID == "1@acme" {
			panic("boom")
		}
		return commit(ctx, r, row)
	}
	post(in, asLater(seal(zipped(batch), nil)))
	post(in, asLater(seal([]byte("x"), func(o *as2.SealOptions) { o.MessageID, o.ContentType, o.Filename = "<2@acme>", "text/plain", "n.txt" })))
	must(w.work(in))
	rec := recordOf(in.Ledger)
	if len(rec.stored) != 1 || rec.stored[0].Panics != 3 || !strings.Contains(rec.stored[0].Hold, "boom") || w.content()["n.txt"] != "x" || w.posts != 1 {
		t.Errorf("%+v, %v, %d posts", rec.stored, w.content(), w.posts)
	}
	if !w.hasEvent(in, ledger.Alarm, "stored-held") {
		t.Error("no alarm")
	}
}

// What could not be published at once is published by Work, if no repeat comes before.
func TestPublishedByWork(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	deliver := in.deliver
	in.deliver = func(context.Context, *Partner, *ledger.Received, bool) error { return errors.New("the disk is gone") }
	if r := post(in, seal(zipped(batch), nil)); r.Status != 503 {
		t.Fatal(r.Status)
	}
	post(in, asLater(seal([]byte("x"), func(o *as2.SealOptions) { o.MessageID, o.ContentType, o.Filename = "<2@acme>", "text/plain", "n.txt" })))
	_ = in.openStored(context.Background(), in.names["acme"]) // it says that the disk is gone
	if len(w.content()) > 0 {
		t.Fatal(w.content())
	}
	in.deliver = deliver
	must(w.work(in))
	if len(w.content()) != 4 || w.posts != 1 {
		t.Errorf("%v, %d posts", w.content(), w.posts)
	}
}

// Below the reserve nothing is opened and nothing posted; then both go on.
func TestBelowTheReserve(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	p := in.names["acme"]
	post(in, asLater(seal(zipped(batch), nil)))
	for _, step := range []string{"open", "post"} {
		p.Reserve = 1 << 50
		if next, err := in.Work(context.Background(), "acme"); err == nil || !next.After(w.now) || w.posts > 0 || step == "open" && len(w.content()) > 0 {
			t.Errorf("%s: %v, %v, %d posts, %v", step, next, err, w.posts, w.content())
		}
		p.Reserve, w.now = 0, w.now.Add(time.Hour)
		must(in.openStored(context.Background(), p))
	}
	must(w.work(in))
	if w.posts != 1 || len(w.content()) != 3 {
		t.Errorf("%d posts, %v", w.posts, w.content())
	}
}

// A message is taken where the volume has room for what it is sure to need beside the reserve,
// and not where a byte is missing.
func TestRoomForAMessage(t *testing.T) {
	once := func() message { return seal(zipped(batch), nil) }
	for name, c := range map[string]struct {
		message message
		upTo    int64
		times   uint64
	}{
		"kept as evidence":      {once(), 1 << 20, 2},
		"too large to be kept":  {once(), 1, 1},
		"stored before it is":   {asLater(once()), 1, 2},
		"of a length not known": {chunked(once()), 1 << 20, 0},
	} {
		t.Run(name, func(t *testing.T) {
			const reserve = 1000
			length := uint64(len(c.message.body))
			w := newWorld(message{})
			w.change = func(p *Partner) { p.EvidenceUpTo, p.Reserve = c.upTo, reserve }
			in := w.opened(t)
			w.disk.SetFree(reserve + c.times*length - 1)
			if reply := post(in, c.message); reply.Status != 503 {
				t.Errorf("a byte is missing: %d", reply.Status)
			}
			w.disk.SetFree(reserve + c.times*length)
			if reply := post(in, c.message); reply.Status != 200 {
				t.Errorf("there is room: %d", reply.Status)
			}
		})
	}
}

// The disk fails when all is committed and only the staging folder is left to be moved
// or removed: that is made up for, and no receipt waits for a restart.
func TestFaultsAfterTheCommit(t *testing.T) {
	ids := testKeys()
	good := asLater(seal(zipped(batch), nil))
	bad := asLater(seal([]byte("x"), func(o *as2.SealOptions) { o.Sign = signerOf(ids[2])(moment) }))
	for name, c := range map[string]struct {
		messages []message
		fails    int
		posts    int
	}{
		"accepted": {[]message{good}, 2, 1},
		"refused":  {[]message{bad}, 2, 1},
		"a repeat": {[]message{good, good}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			fails := 0
			w.fs = func(f fsx.FS) fsx.FS { return &failing{f, &fails} }
			in := w.opened(t)
			for i, m := range c.messages {
				if i == len(c.messages)-1 {
					fails = c.fails
				}
				post(in, m)
				must(w.work(in))
			}
			if fails > 0 || w.posts != c.posts {
				t.Errorf("%d times more to fail, %d posts", fails, w.posts)
			}
			for name := range w.disk.Tree() {
				if strings.HasPrefix(name, "acme/.incoming/") {
					t.Errorf("left over: %s", name)
				}
			}
			if f, err := in.Check(context.Background()); err != nil || len(f) > 0 {
				t.Error(f, err)
			}
		})
	}
}

// failing fails some times when a staging folder is to leave .incoming.
type failing struct {
	fsx.FS
	times *int
}

func (f *failing) RenameNoReplace(from, to string) error {
	if *f.times > 0 && path.Dir(from) == incomingDir {
		*f.times--
		return syscall.EIO
	}
	return f.FS.RenameNoReplace(from, to)
}

func (f *failing) Remove(name string) error {
	if *f.times > 0 && path.Dir(path.Dir(name)) == incomingDir && path.Base(name) == headerFile {
		*f.times--
		return syscall.EIO
	}
	return f.FS.Remove(name)
}

// However many files a message is unpacked into, and however small each of them is, the
// reserve of the volume stays.
func TestRoomForManySmallFiles(t *testing.T) {
	const reserve, each = 1 << 20, 3 << 20
	files := map[string]string{}
	for i := range 16 {
		files[fmt.Sprintf("INV-1_%02d.bin", i)] = strings.Repeat("0", each)
	}
	files["INV-1.xml"] = "<Invoice/>"
	w := newWorld(message{})
	w.change = func(p *Partner) { p.Reserve, p.EvidenceUpTo = reserve, 1<<20 }
	in := w.opened(t)
	volume := &filling{FS: in.names["acme"].Folder, free: reserve + 2*spaceEvery}
	in.names["acme"].Folder = volume
	if reply := post(in, seal(zipped(files), nil)); reply.Status != 503 || volume.free < reserve {
		t.Errorf("%d, %d bytes are left", reply.Status, volume.free)
	}
}

// Who removes empty folders removes ours too: they are made again, whatever they are needed for.
func TestFoldersThatSomebodyHasTidiedUp(t *testing.T) {
	good := seal(zipped(batch), nil)
	bad := seal([]byte("x"), func(o *as2.SealOptions) { o.Sign = signerOf(testKeys()[2])(moment) })
	for name, m := range map[string]message{"accepted": good, "refused": bad, "stored": asLater(good)} {
		for _, gone := range []string{incomingDir, evidenceDir} {
			t.Run(name+" without "+gone, func(t *testing.T) {
				w := newWorld(message{})
				in := w.opened(t)
				p := in.names["acme"]
				must(fsx.RemoveAll(p.Folder, gone))
				if reply := post(in, m); reply.Status != 200 {
					t.Error(reply.Status)
				}
				if err := w.work(in); err != nil {
					t.Error(err)
				}
				if left, err := p.Folder.Names(incomingDir); err != nil || len(left) > 0 {
					t.Errorf("%q, %v", left, err)
				}
			})
		}
	}
}
