package outbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// What the hook of these tests makes of a batch.
const (
	changedInvoice = "<Invoice n='7'/>"
	addedCover     = "%PDF cover"
)

// changing is a hook that changes the document and adds a cover sheet, as another program
// would: nothing is synced.
func changing(w *world) func(context.Context, Question) (Answer, string, error) {
	return func(_ context.Context, q Question) (Answer, string, error) {
		w.write(path.Join(q.Out, "INV-1.xml"), changedInvoice)
		w.write(path.Join(q.Out, "INV-1_cover.pdf"), addedCover)
		w.write(path.Join(q.Out, "notes"), "of the hook")
		return Answer{Files: []string{"INV-1.xml", "INV-1_cover.pdf"}}, "", nil
	}
}

// withHooks is a world with hooks before sending, and one for each end.
func withHooks(ask func(*world) func(context.Context, Question) (Answer, string, error), answers ...answer) *world {
	w := newWorld(answers...)
	w.ask = ask
	w.set = func(p *Partner) { p.AfterSent, p.AfterFailed = []string{"erp"}, []string{"erp"} }
	return w
}

func beginHooked(t *testing.T, hooks ...BeforeSend) (*world, *Outbox) {
	t.Helper()
	w, o := begin(t, accept)
	o.p.BeforeSend = hooks
	return w, o
}

func sumOf(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

// What a hook changed or added is what travels; what was dropped stays as it was; both are
// filed, with their digests.
func TestHookChanges(t *testing.T) {
	w, o := begin(t, accept)
	o.p.BeforeSend = []BeforeSend{{Name: "number", Ask: changing(w)}}
	o.p.Bundle = BundleMultipart
	id := scan(t, o).Claimed[0]
	for range 2 {
		if _, err := o.Step(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	tr := row(t, o, id)
	parts, contents := seen(t, o, &tr)
	if len(parts) != 3 || parts[0].Filename != "INV-1.xml" || parts[2].Filename != "INV-1_cover.pdf" || !slices.Equal(contents, []string{changedInvoice, dropped["INV-1_scan.pdf"], addedCover}) {
		t.Errorf("%+v %q", parts, contents)
	}
	clean(t, o)
	carry(t, o, id)
	tr = filed(t, o, id, ledger.VerdictAccepted)
	if c := tr.Changed; len(c) != 2 || c[0].Role != ledger.RoleDocument || c[1].Role != ledger.RoleAttachment || c[0].SHA256 != sumOf(changedInvoice) || c[1].SHA256 != sumOf(addedCover) || c[0].Hook != "number" {
		t.Errorf("%+v", c)
	}
	for _, m := range tr.Members {
		if m.SHA256 != sumOf(dropped[m.Name]) {
			t.Errorf("%+v", m)
		}
	}
	for name, want := range map[string]string{"INV-1.xml": dropped["INV-1.xml"], changedDir + "/INV-1.xml": changedInvoice, changedDir + "/INV-1_cover.pdf": addedCover} {
		if got, err := fsx.ReadFile(o.p.Folder, path.Join(tr.FilePath, name), 1<<10); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	there(t, o, path.Join(tr.FilePath, changedDir, "notes"), false)
	there(t, o, path.Join(tr.FilePath, hookPart), false)
	files := o.HookFiles(&tr, tr.FilePath)
	if len(files) != 3 || files[0].Place != path.Join(tr.FilePath, changedDir, "INV-1.xml") || files[0].Dropped != path.Join(tr.FilePath, "INV-1.xml") || files[1].ChangedBy != "" || files[2].Dropped != "" || files[2].ChangedBy != "number" {
		t.Errorf("%+v", files)
	}
	// Retention knows it, and leaves alone what somebody put there.
	w.now = tr.Filed.Add(90 * day)
	w.write(path.Join(tr.FilePath, changedDir, "mine"), "x")
	if done := retain(t, o, Rules{Sent: rule("sent", 90)}, 10); len(done) != 1 || done[0].Removed != 0 {
		t.Errorf("%+v", done)
	}
	must(fsx.RemoveAll(o.p.Folder, path.Join(tr.FilePath, changedDir, "mine")))
	if done := retain(t, o, Rules{Sent: rule("sent", 90)}, 10); len(done) != 1 || done[0].Removed != 1 {
		t.Errorf("%+v", done)
	}
	there(t, o, tr.FilePath, false)
	clean(t, o)
}

// What hooks made gets the rights of what is filed.
func TestHooksFileWithRights(t *testing.T) {
	w := sharing()
	w.ask = changing
	must(run(w))
	if wrong := unshared(w.disk, "acme/sent/"); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// History has its time for hooks too.
func TestRetentionForgetsHooks(t *testing.T) {
	w, o := begin(t, accept)
	o.p.AfterSent = []string{"done", "open"}
	id := scan(t, o).Claimed[0]
	tr := carry(t, o, id)
	must(o.Ledger.Update(t.Context(), func(tx *ledger.Tx) error {
		h, err := tx.Hook(id, ledger.HookAfterSent, "done")
		h.Open = false
		return errors.Join(err, tx.SaveHook(&h))
	}))
	w.now = tr.Filed.Add(90 * day)
	retain(t, o, Rules{History: rule("history", 90)}, 10)
	if got := owed(t, o, id); got != "after_sent open 1" {
		t.Errorf("left: %s", got)
	}
}

// Each hook sees what those before it made, and may change it again.
func TestHooksFollowEachOther(t *testing.T) {
	w, o := begin(t, accept)
	var saw []HookFile
	o.p.BeforeSend = []BeforeSend{{Name: "first", Ask: changing(w)}, {Name: "second", Ask: func(_ context.Context, q Question) (Answer, string, error) {
		saw = q.Files
		w.write(path.Join(q.Out, "INV-1_cover.pdf"), "another")
		return Answer{Files: []string{"INV-1_cover.pdf"}}, "", nil
	}}}
	id := scan(t, o).Claimed[0]
	carry(t, o, id)
	tr := filed(t, o, id, ledger.VerdictAccepted)
	if len(saw) != 3 || !strings.HasSuffix(saw[0].Place, changedDir+"/INV-1.xml") || saw[2].ChangedBy != "first" {
		t.Errorf("%+v", saw)
	}
	if c := tr.Changed; len(c) != 2 || c[0].Hook != "first" || c[1].Hook != "second" || c[1].SHA256 != sumOf("another") {
		t.Errorf("%+v", c)
	}
}

// What a hook makes has the checks before it, like what is dropped.
func TestChecksSeeWhatHooksMade(t *testing.T) {
	w, o := beginFaulty(t, "refuse", accept)
	o.p.BeforeSend = []BeforeSend{{Name: "mend", Ask: func(_ context.Context, q Question) (Answer, string, error) {
		w.write(path.Join(q.Out, "INV-1.xml"), "<Invoice/>")
		w.write(path.Join(q.Out, "INV-1_scan.pdf"), "%PDF-1.7\n%%EOF\n")
		return Answer{Files: []string{"INV-1.xml", "INV-1_scan.pdf"}}, "", nil
	}}}
	id := scan(t, o).Claimed[0]
	if tr := carry(t, o, id); tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s %s: %s", tr.State, tr.Verdict, tr.Reason)
	}
}

func TestHookRefuses(t *testing.T) {
	w, o := beginHooked(t, BeforeSend{Name: "look", Ask: refusing})
	id := scan(t, o).Claimed[0]
	carry(t, o, id)
	tr := filed(t, o, id, ledger.VerdictRefused)
	why, err := fsx.ReadFile(o.p.Folder, path.Join(tr.FilePath, whyFile), 1<<16)
	if err != nil || !strings.Contains(string(why), `the hook "look" of before_send refuses it: not today`) || w.partner.posts != 0 {
		t.Errorf("%s %v, %d posts", why, err, w.partner.posts)
	}
	// Once the hook is content, retry sends the files from where they are.
	o.p.BeforeSend = nil
	grantWish(t, o, ledger.WishRetry, id)
	next := carry(t, o, row(t, o, id).RetriedAs)
	filed(t, o, next.ID, ledger.VerdictAccepted)
}

// What a failure of the hook itself does, by configuration.
func TestHookFails(t *testing.T) {
	broken := func(context.Context, Question) (Answer, string, error) { return Answer{}, "exit status 3", nil }
	t.Run("hold", func(t *testing.T) {
		w, o := beginHooked(t, BeforeSend{Name: "look", OnError: HookHolds, Ask: broken})
		id := scan(t, o).Claimed[0]
		tr := carry(t, o, id)
		if tr.State != ledger.StateClaimed || tr.HoldCode != holdHook || !strings.Contains(tr.Hold, `the hook "look" of before_send failed: exit status 3`) || !strings.Contains(tr.Next, "as2drop release "+id) || codes(t, o, id) != "alarm hook" {
			t.Errorf("%+v: %s", tr, codes(t, o, id))
		}
		clean(t, o)
		// It works again, and somebody says so.
		o.p.BeforeSend[0].Ask = changing(w)
		grantWish(t, o, ledger.WishRelease, id)
		carry(t, o, id)
		filed(t, o, id, ledger.VerdictAccepted)
	})
	t.Run("hold ends at the next start", func(t *testing.T) {
		_, o := beginHooked(t, BeforeSend{Name: "look", OnError: HookHolds, Ask: broken})
		id := scan(t, o).Claimed[0]
		carry(t, o, id)
		o.p.BeforeSend = nil
		must(o.Recover(context.Background()))
		carry(t, o, id)
		filed(t, o, id, ledger.VerdictAccepted)
	})
	t.Run("refuse", func(t *testing.T) {
		_, o := beginHooked(t, BeforeSend{Name: "look", OnError: HookRefuses, Ask: broken})
		id := scan(t, o).Claimed[0]
		carry(t, o, id)
		if tr := filed(t, o, id, ledger.VerdictRefused); !strings.Contains(tr.Reason, "exit status 3") || !strings.Contains(tr.Next, "nothing is wrong with the files") {
			t.Errorf("%s, %s", tr.Reason, tr.Next)
		}
	})
	t.Run("ignore", func(t *testing.T) {
		_, o := beginHooked(t, BeforeSend{Name: "look", OnError: HookIgnored, Ask: broken})
		id := scan(t, o).Claimed[0]
		carry(t, o, id)
		filed(t, o, id, ledger.VerdictAccepted)
		if got := codes(t, o, id); !strings.Contains(got, "warning hook-ignored") {
			t.Error(got)
		}
	})
}

// The agent stops while a hook is asked: nothing has happened.
func TestHookIsStopped(t *testing.T) {
	stopped := errors.New("stopped")
	w, o := begin(t, accept)
	o.p.BeforeSend = []BeforeSend{{Name: "look", Ask: func(_ context.Context, q Question) (Answer, string, error) {
		w.write(path.Join(q.Out, "half"), "x")
		return Answer{}, "", stopped
	}}}
	id := scan(t, o).Claimed[0]
	_, err := o.Step(t.Context(), id)
	must(err)
	before := row(t, o, id)
	if _, err := o.Step(t.Context(), id); !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	if after := row(t, o, id); after.Version != before.Version {
		t.Errorf("%+v", after)
	}
	// And then somebody gives it up: nothing of the hook is filed.
	grantWish(t, o, ledger.WishDismiss, id)
	carry(t, o, id)
	tr := filed(t, o, id, ledger.VerdictRefused)
	there(t, o, path.Join(tr.FilePath, hookPart), false)
}

// An operator gives a transfer up while a hook is asked about it: his word counts, and of
// what was made meanwhile nothing is filed.
func TestDismissedWhileAHookIsAsked(t *testing.T) {
	w, o := begin(t, accept)
	var id string
	o.p.BeforeSend = []BeforeSend{{Name: "slow", Ask: func(ctx context.Context, q Question) (Answer, string, error) {
		grantWish(t, o, ledger.WishDismiss, id)
		return changing(w)(ctx, q)
	}}}
	id = scan(t, o).Claimed[0]
	for range 4 {
		if _, err := o.Step(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	tr := filed(t, o, id, ledger.VerdictRefused)
	if w.partner.posts != 0 || len(tr.Changed) > 0 {
		t.Errorf("%d posts, changed %+v", w.partner.posts, tr.Changed)
	}
	for _, name := range []string{changedDir, messageFile} {
		there(t, o, path.Join(tr.FilePath, name), false)
	}
	there(t, o, o.evidence(&tr), false)
}

// What a hook says of files is believed only as far as it goes well.
func TestHookNamesFiles(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"climbing":         {[]string{"../INV-1.xml"}, `"../INV-1.xml" is no name for a file that is sent`},
		"a folder":         {[]string{"dir"}, `"dir", which it wrote, is no file`},
		"a path":           {[]string{"dir/x"}, `"dir/x" is no name`},
		"nothing":          {[]string{""}, `"" is no name`},
		"ours":             {[]string{"transfer.json"}, `"transfer.json" is a name that the agent uses itself`},
		"ours too":         {[]string{changedDir}, "is a name that the agent uses itself"},
		"not written":      {[]string{"INV-1_gone.pdf"}, `it names "INV-1_gone.pdf", and did not write it`},
		"twice":            {[]string{"INV-1.xml", "INV-1.xml"}, `it names "INV-1.xml" twice`},
		"almost a member":  {[]string{"inv-1.XML"}, `"inv-1.XML" cannot be told from "INV-1.xml"`},
		"almost the other": {[]string{"new.pdf", "NEW.pdf"}, `"NEW.pdf" cannot be told from "new.pdf"`},
	} {
		t.Run(name, func(t *testing.T) {
			w, o := begin(t, accept)
			o.p.BeforeSend = []BeforeSend{{Name: "odd", Ask: func(_ context.Context, q Question) (Answer, string, error) {
				for _, f := range []string{"INV-1.xml", "inv-1.XML", "new.pdf", "NEW.pdf", "transfer.json", changedDir} {
					w.write(path.Join(q.Out, f), "x")
				}
				must(w.disk.Outside("acme").Mkdir(path.Join(q.Out, "dir"), fs.FileMode(0o750)))
				w.write(path.Join(q.Out, "dir", "x"), "x")
				return Answer{Files: c.files}, "", nil
			}}}
			id := scan(t, o).Claimed[0]
			tr := carry(t, o, id)
			if tr.HoldCode != holdHook || !strings.Contains(tr.Hold, c.want) || len(tr.Changed) > 0 {
				t.Errorf("%s, changed %v", tr.Hold, tr.Changed)
			}
			there(t, o, path.Join(o.work(&tr), hookPart), false)
			there(t, o, path.Join(o.work(&tr), changedDir), false)
			clean(t, o)
		})
	}
}

// The names of what hooks make are not those of dropped files.
func TestHookNamesAreReserved(t *testing.T) {
	for _, name := range []string{changedDir, hookPart, "Changed-By-Hook"} {
		if !reserved(name) {
			t.Errorf("%s may be dropped", name)
		}
	}
}

// What a hook made of a message that is under way is gone, or another file.
func TestCheckFindsWhatHooksMade(t *testing.T) {
	for name, damage := range map[string]func(*Outbox, string){
		"missing": func(o *Outbox, file string) { must(fsx.RemoveAll(o.p.Folder, file)) },
		"another": func(o *Outbox, file string) { must(fsx.Rewrite(o.p.Folder, file, filePerm, []byte("x"))) },
	} {
		t.Run(name, func(t *testing.T) {
			w, o := begin(t, busy)
			o.p.BeforeSend = []BeforeSend{{Name: "number", Ask: changing(w)}}
			id := scan(t, o).Claimed[0]
			tr := carry(t, o, id)
			if tr.State != ledger.StateSealed {
				t.Fatal(tr.State)
			}
			clean(t, o)
			damage(o, path.Join(o.work(&tr), changedDir, "INV-1_cover.pdf"))
			finds(t, o, "the file that a hook made is missing or not the one that was sealed")
		})
	}
}

// A hook is owed once for each filing, of the kind that the verdict says.
func TestHooksAreOwed(t *testing.T) {
	w, o := begin(t, busy)
	woken := 0
	o.Hooked = func(partner string) {
		if partner == "acme" {
			woken++
		}
	}
	o.p.AfterSent, o.p.AfterFailed = []string{"erp", "mail"}, []string{"erp"}
	id := scan(t, o).Claimed[0]
	for tr := carry(t, o, id); tr.State.Open(); tr = carry(t, o, id) {
		w.now = tr.Due
	}
	if got := owed(t, o, id); got != "after_failed erp 1" || woken != 1 {
		t.Errorf("%s, woken %d times", got, woken)
	}
	// It is posted again, and fails again; then it is taken.
	for range 2 {
		grantWish(t, o, ledger.WishRetry, id)
		for tr := carry(t, o, id); tr.State.Open(); tr = carry(t, o, id) {
			w.now = tr.Due
		}
		w.answers = []answer{accept}
	}
	if got := owed(t, o, id); got != "after_failed erp 2, after_sent erp 1, after_sent mail 1" || woken != 3 {
		t.Errorf("%s, woken %d times", got, woken)
	}
}

// owed are the hooks of a transfer, and how often they came to be owed.
func owed(t *testing.T, o *Outbox, id string) string {
	t.Helper()
	var list []string
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) error {
		hooks, err := tx.HooksOf(id)
		for _, h := range hooks {
			list = append(list, fmt.Sprintf("%s %s %d", h.Kind, h.Name, h.Asked))
		}
		return err
	}))
	return strings.Join(list, ", ")
}
