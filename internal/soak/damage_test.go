//go:build linux

package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// damage is a way to spoil a scene that the judge must notice. It reports false where the
// scene has nothing to spoil in that way.
type damage struct {
	name  string
	spoil func(b *book, s *scene) bool
}

// first finds a file of the scene; the reader's come last.
func first(s *scene, fits func(f found) bool) int { return slices.IndexFunc(s.files, fits) }

// damages are the mistakes that a judge of deliveries could overlook.
func damages(b *book) []damage {
	travels := func(f found) bool {
		d := b.byHash[f.hash]
		return f.place == inSent && d != nil && !d.marker && !d.raced
	}
	return []damage{
		{"a file is lost after the verdict", func(b *book, s *scene) bool {
			i := first(s, travels)
			if i >= 0 {
				s.files = slices.Delete(s.files, i, i+1)
			}
			return i >= 0
		}},
		{"a file is filed twice", func(b *book, s *scene) bool {
			i := first(s, travels)
			if i >= 0 {
				s.files = append(s.files, s.files[i])
			}
			return i >= 0
		}},
		{"a batch is delivered twice", func(b *book, s *scene) bool {
			if len(b.taken) == 0 {
				return false
			}
			b.taken = append(b.taken, b.taken[0])
			return true
		}},
		{"a file is said to be sent and was not delivered", func(b *book, s *scene) bool {
			if len(b.taken) == 0 {
				return false
			}
			b.taken = b.taken[1:]
			return true
		}},
		{"a delivered file is filed under failed, with a wrong reason", func(b *book, s *scene) bool {
			i := first(s, travels)
			if i < 0 {
				return false
			}
			s.files[i].place = inFailed
			s.hasty[s.files[i].link] = true
			s.why[whyKey(s.files[i])] = "was not delivered. " + saysNotReceived + "."
			return true
		}},
		{"a file that was not delivered is filed under sent", func(b *book, s *scene) bool {
			i := first(s, func(f found) bool { return f.place == inFailed && !has(b, s, f) })
			if i >= 0 {
				s.files[i].place = inSent
			}
			return i >= 0
		}},
		{"a patient partner's file is given up", func(b *book, s *scene) bool {
			i := first(s, travels)
			if i < 0 {
				return false
			}
			s.files[i].place = inFailed
			s.hasty[s.files[i].link] = false
			s.why[whyKey(s.files[i])] = "Careful: " + saysPerhaps + " received it."
			return true
		}},
		{"a file is changed on the way", func(b *book, s *scene) bool {
			if len(b.taken) == 0 {
				return false
			}
			b.taken[0].hash = digest([]byte("changed on the way"))
			return true
		}},
		{"a file arrives under another name", func(b *book, s *scene) bool {
			if len(b.taken) == 0 {
				return false
			}
			b.taken[0].name = "x" + b.taken[0].name
			return true
		}},
		{"an attachment arrives under another key than its document", func(b *book, s *scene) bool {
			i := slices.IndexFunc(b.taken, func(f found) bool { d := b.byHash[f.hash]; return d != nil && !d.document })
			if i >= 0 {
				b.taken[i].name = "~77" + b.taken[i].name
			}
			return i >= 0
		}},
		{"a file is filed under another name", func(b *book, s *scene) bool {
			i := first(s, travels)
			if i >= 0 {
				s.files[i].name = "x" + s.files[i].name
			}
			return i >= 0
		}},
		{"documents arrive in another order", func(b *book, s *scene) bool {
			var docs []int
			for i, f := range s.files {
				if d := b.byHash[f.hash]; d != nil && d.document && f.place == inInbox && s.order[f.link] && (len(docs) == 0 || s.files[docs[0]].side == f.side) {
					docs = append(docs, i)
				}
			}
			if len(docs) < 2 {
				return false
			}
			one, other := &s.files[docs[0]], &s.files[docs[1]]
			one.at, other.at = other.at, one.at
			return true
		}},
		{"a file arrives under another partner", func(b *book, s *scene) bool {
			if len(b.taken) == 0 {
				return false
			}
			b.taken[0].link += "-other"
			return true
		}},
		{"a file comes back to its sender", func(b *book, s *scene) bool {
			if len(b.taken) == 0 {
				return false
			}
			b.taken[0].side = b.taken[0].side.other()
			return true
		}},
		{"a file stays in the outbox", func(b *book, s *scene) bool {
			i := first(s, travels)
			if i >= 0 {
				s.files[i].place = inOutbox
			}
			return i >= 0
		}},
		{"a file stays in .work", func(b *book, s *scene) bool {
			i := first(s, travels)
			if i >= 0 {
				s.files[i].place = inWork
			}
			return i >= 0
		}},
		{"something is left in .incoming", func(b *book, s *scene) bool {
			s.stray = append(s.stray, "a/sync/.incoming/01/")
			return true
		}},
		{"an attachment is filed apart from its document", func(b *book, s *scene) bool {
			i := first(s, func(f found) bool {
				d := b.byHash[f.hash]
				return travels(f) && !d.document && !d.late
			})
			if i >= 0 {
				s.files[i].folder += "-other"
			}
			return i >= 0
		}},
		{"the reader saw a document without its attachment", func(b *book, s *scene) bool {
			b.problems = append(b.problems, "the document is here, and the attachment is not")
			return true
		}},
	}
}

// has reports whether the other side has a file.
func has(b *book, s *scene, f found) bool {
	d := b.byHash[f.hash]
	all := slices.DeleteFunc(append(slices.Clone(s.files), b.taken...), func(g found) bool { return b.byHash[g.hash] != d })
	_, there, _ := split(d, all)
	return len(there) > 0
}

// spoiled tries every damage on copies of a clean scene, and lists those that the judge
// does not notice and those for which there was nothing to spoil.
func spoiled(b *book, s scene) (unnoticed, idle []string) {
	for _, d := range damages(b) {
		bc := &book{batches: b.batches, byHash: b.byHash, taken: slices.Clone(b.taken), problems: slices.Clone(b.problems)}
		sc := scene{files: slices.Clone(s.files), why: maps.Clone(s.why), stray: slices.Clone(s.stray), hasty: maps.Clone(s.hasty), order: s.order}
		switch {
		case !d.spoil(bc, &sc):
			idle = append(idle, d.name)
		case len(judge(bc, sc)) == 0:
			unnoticed = append(unnoticed, d.name)
		}
	}
	return unnoticed, idle
}

// small is a scene in which everything is as it should be: a batch that was delivered, one
// that was given up, one that was given up and may have been delivered, an attachment that
// came too late, and two documents in order.
func small() (*book, scene) {
	b := newBook()
	s := scene{why: map[string]string{}, hasty: map[string]bool{"hasty": true}, order: map[string]bool{"strict": true}}
	lay := func(p *batch, d *dropped, content, place, folder string) *dropped {
		d.batch = p
		b.add(d, []byte(content))
		s.files = append(s.files, found{side: p.from, link: p.link, place: place, folder: folder, name: d.name, hash: d.versions[0]})
		return d
	}
	receive := func(d *dropped) {
		b.take(found{side: d.batch.from.other(), link: d.batch.link, place: taken, name: d.name, hash: d.versions[0]})
	}
	p := b.newBatch("a", "sync", "INV-1")
	receive(lay(p, &dropped{name: "INV-1.xml", document: true}, "one", inSent, "2026-11-25/INV-1.x"))
	receive(lay(p, &dropped{name: "INV-1_a.pdf"}, "two", inSent, "2026-11-25/INV-1.x"))
	lay(p, &dropped{name: "INV-1.ready", marker: true}, "three", inSent, "2026-11-25/INV-1.x")
	lay(p, &dropped{name: "INV-1_late.pdf", late: true}, "four", inOutbox, "")
	p = b.newBatch("b", "hasty", "INV-2")
	lay(p, &dropped{name: "INV-2.xml", document: true}, "five", inFailed, "INV-2.x")
	s.why["b/hasty/INV-2.x"] = "INV-2.xml was not delivered. " + saysNotReceived + "."
	p = b.newBatch("b", "hasty", "INV-3")
	receive(lay(p, &dropped{name: "INV-3.xml", document: true}, "six", inFailed, "INV-3.x"))
	s.why["b/hasty/INV-3.x"] = "Careful: " + saysPerhaps + " received it."
	for i, content := range []string{"seven", "eight"} {
		p = b.newBatch("a", "strict", fmt.Sprint("INV-", 4+i))
		d := lay(p, &dropped{name: p.key + ".xml", document: true}, content, inSent, "2026-11-25/"+p.key)
		s.files = append(s.files, found{side: "b", link: "strict", place: inInbox, name: d.name, hash: d.versions[0], at: time.Unix(int64(i), 0)})
	}
	return b, s
}

func TestJudgeFindsNothingWrongWithASoundScene(t *testing.T) {
	b, s := small()
	if problems := judge(b, s); len(problems) > 0 {
		t.Error(strings.Join(problems, "\n"))
	}
}

// A judge that nobody has seen object is none.
func TestJudgeObjectsToEveryDamage(t *testing.T) {
	unnoticed, idle := spoiled(small())
	for _, name := range unnoticed {
		t.Errorf("unnoticed: %s", name)
	}
	for _, name := range idle {
		t.Errorf("never tried: %s", name)
	}
}
