package inbox

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
)

// What was laid down while a zip came is delivered or goes; nothing of it is left over, and a zip
// that is delivered whole has all its bytes.
func TestLoose(t *testing.T) {
	whole := zipped(scans)
	broken := whole[:len(whole)-20]
	named := func(o *as2.SealOptions) { o.ContentType, o.Filename = "application/zip", "INV-1.zip" }
	for name, c := range map[string]struct {
		change   func(*Partner)
		messages []message
		inbox    map[string]string
	}{
		"taken apart":                {nil, []message{seal(whole, named)}, scans},
		"twice":                      {nil, []message{seal(whole, named), seal(whole, named)}, scans},
		"broken, delivered whole":    {nil, []message{seal(broken, named)}, map[string]string{"INV-1.zip": string(broken)}},
		"broken, refused":            {func(p *Partner) { p.KeepBroken = false }, []message{seal(broken, named)}, nil},
		"of a stranger":              {nil, []message{seal(whole, func(o *as2.SealOptions) { o.Sign = signerOf(testKeys()[2])(moment) })}, nil},
		"a zip in it, taken apart":   {func(p *Partner) { p.NestedZips = Split }, []message{seal(zipped(map[string]string{"inner.zip": string(whole)}), named)}, scans},
		"a zip in it, of no batches": {func(p *Partner) { p.NestedZips = Keep }, []message{seal(zipped(map[string]string{"inner.zip": string(whole)}), named)}, map[string]string{"inner.zip": string(whole)}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{}).with(spilling)
			w.change = c.change
			o := send(t, w, c.messages...)
			if len(o.inbox) != len(c.inbox) {
				t.Errorf("%q, and not %d files; %v", o.inbox, len(c.inbox), o.refusals)
			}
			for name, e := range w.disk.Tree() {
				if file, ok := strings.CutPrefix(name, "acme/inbox/"); ok && !e.Folder && e.SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(c.inbox[file]))) {
					t.Errorf("%s has other bytes, %d and not %d", file, e.Size, len(c.inbox[file]))
				}
				if strings.Contains(name, "/"+payloadName) {
					t.Errorf("left over: %s", name)
				}
			}
		})
	}
}
