//go:build linux

package soak

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/naming"
)

// Places where a file can be found.
const (
	inOutbox   = "outbox"
	inSent     = "sent"
	inFailed   = "failed"
	inWork     = ".work"
	inIncoming = ".incoming"
	inInbox    = "inbox"
	taken      = "taken by the reader"
)

// found is a file that lies somewhere, or was taken by the reader.
type found struct {
	side   side
	link   string
	place  string
	folder string // within the place; "" = directly in it
	name   string
	hash   string
	at     time.Time // when it was written
}

func (f found) String() string {
	return fmt.Sprintf("%s/%s/%s", f.side, f.link, filepath.Join(f.place, f.folder, f.name))
}

// scene is everything that the judge looks at.
type scene struct {
	files []found
	why   map[string]string // WHY.txt by whyKey
	stray []string          // what lies where nothing should
	hasty map[string]bool   // links whose transfers may end in failed
	order map[string]bool   // links whose documents arrive in the order in which they were dropped
}

func whyKey(f found) string { return fmt.Sprint(f.side, "/", f.link, "/", f.folder) }

// look reads the folders of one partner.
func (s *scene) look(of side, link, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case ".as2drop", ".evidence":
		case inOutbox, inSent, inFailed, inWork, inIncoming, inInbox:
			if err := s.lookInto(of, link, folder, e.Name()); err != nil {
				return err
			}
		default:
			s.stray = append(s.stray, fmt.Sprintf("%s/%s/%s", of, link, e.Name()))
		}
	}
	return nil
}

func (s *scene) lookInto(of side, link, folder, place string) error {
	root := filepath.Join(folder, place)
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f := found{side: of, link: link, place: place, folder: strings.TrimPrefix(filepath.Dir(relative), "."), name: e.Name()}
		if e.IsDir() {
			if place == inWork || place == inIncoming || place == inOutbox {
				s.stray = append(s.stray, f.String()+"/")
			}
			return nil
		}
		if place == inSent || place == inFailed {
			switch e.Name() {
			case "transfer.json", "receipt.mdn":
				return nil
			case "WHY.txt":
				text, err := os.ReadFile(path)
				s.why[whyKey(f)] = string(text)
				if place == inSent {
					s.stray = append(s.stray, f.String())
				}
				return err
			}
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		f.hash, f.at = digest(content), info.ModTime()
		s.files = append(s.files, f)
		return err
	})
}

// judge holds the scene against the book and lists everything that must not be.
func judge(b *book, s scene) (problems []string) {
	problems = b.objections()
	object := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, path := range s.stray {
		object("%s is left over, or nobody knows what it is", path)
	}
	places := map[*dropped][]found{}
	for _, f := range append(slices.Clone(s.files), b.taken...) {
		d := b.byHash[f.hash]
		if d == nil {
			object("%s was never dropped", f)
			continue
		}
		places[d] = append(places[d], f)
	}
	for _, p := range b.batches {
		if len(p.files) == 0 {
			continue
		}
		for _, d := range p.files {
			problems = append(problems, judgeFile(d, places[d], s)...)
		}
		problems = append(problems, judgeBatch(p, places)...)
	}
	return append(problems, judgeOrder(b, s)...)
}

// judgeOrder judges the links on which documents leave one by one.
func judgeOrder(b *book, s scene) (problems []string) {
	arrived := map[string][]found{}
	for _, f := range s.files {
		if d := b.byHash[f.hash]; d != nil && d.document && f.place == inInbox && s.order[f.link] {
			way := fmt.Sprint(f.link, " to ", f.side)
			arrived[way] = append(arrived[way], f)
		}
	}
	for way, all := range arrived {
		slices.SortFunc(all, func(x, y found) int { return x.at.Compare(y.at) })
		for i := 1; i < len(all); i++ {
			if one, next := b.byHash[all[i-1].hash], b.byHash[all[i].hash]; one.batch.id > next.batch.id {
				problems = append(problems, fmt.Sprintf("%s: %s arrived before %s, which was dropped earlier", way, one, next))
			}
		}
	}
	return problems
}

// split tells what is on the side of the dropper from what is with his partner. What is
// anywhere else is in the wrong place.
func split(d *dropped, all []found) (here, there, astray []found) {
	for _, f := range all {
		home := f.place == inOutbox || f.place == inSent || f.place == inFailed || f.place == inWork
		switch {
		case f.link == d.batch.link && home && f.side == d.batch.from:
			here = append(here, f)
		case f.link == d.batch.link && !home && f.side == d.batch.from.other():
			there = append(there, f)
		default:
			astray = append(astray, f)
		}
	}
	return here, there, astray
}

// judgeFile judges one dropped file by where its content is.
func judgeFile(d *dropped, all []found, s scene) (problems []string) {
	object := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s: %s", d, fmt.Sprintf(format, args...)))
	}
	here, there, astray := split(d, all)
	for _, f := range astray {
		object("in the wrong place: %s", f)
	}
	for _, f := range there {
		if f.place == inIncoming {
			object("still in %s", f)
		}
	}
	switch {
	case len(here) == 0:
		object("lost: it is nowhere on the side that dropped it; on the other side: %v", there)
		return problems
	case len(here) > 1:
		object("%d times on the side that dropped it: %v", len(here), here)
	case len(there) > 1:
		object("%d times on the other side: %v", len(there), there)
	}
	if here[0].name != d.name {
		object("on its own side it is called %s", here[0])
	}
	for _, f := range there {
		if name, _ := original(f.name); name != naming.Safe(d.name) {
			object("the other side has it as %s", f)
		}
	}
	if d.marker && len(there) > 0 {
		object("a marker travelled: %v", there)
	}
	switch at := here[0]; at.place {
	case inSent:
		if len(there) == 0 && !d.marker {
			object("in %s, and the other side does not have it", at)
		}
		if len(there) == 1 && there[0].hash != at.hash && !d.raced {
			object("%s is another version than %s", at, there[0])
		}
	case inFailed:
		problems = append(problems, judgeFailed(d, at, there, s)...)
	case inOutbox:
		if !d.late {
			object("it still waits in the outbox")
		}
		if len(there) > 0 {
			object("it waits in the outbox, and the other side has it: %v", there)
		}
	case inWork:
		object("still in %s", at)
	}
	return problems
}

// original takes the number off a name that a batch gets where its key was in use.
func original(name string) (plain, number string) {
	number = newKey.FindString(name)
	return strings.Replace(name, number, "", 1), number
}

var newKey = regexp.MustCompile(`~[0-9]+`)

// What WHY.txt says of the other side.
const (
	saysNotReceived = "The partner did not receive it"
	saysPerhaps     = "the partner may have"
)

// judgeFailed judges a file in failed: whether it may be there, and whether WHY.txt tells
// the truth.
func judgeFailed(d *dropped, at found, there []found, s scene) (problems []string) {
	object := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s: %s", d, fmt.Sprintf(format, args...)))
	}
	why := s.why[whyKey(at)]
	if !s.hasty[d.batch.link] {
		object("failed, though faults that pass must not end there: %s: %q", at, why)
	}
	switch {
	case why == "":
		object("%s has no WHY.txt", at)
	case strings.Contains(why, saysPerhaps):
	case len(there) > 0:
		object("the other side has it, and WHY.txt does not say so: %v: %q", there, why)
	}
	return problems
}

// judgeBatch judges what can only be seen of all files together.
func judgeBatch(p *batch, places map[*dropped][]found) (problems []string) {
	object := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("batch %d, %s/%s/%s: %s", p.id, p.from, p.link, p.key, fmt.Sprintf(format, args...)))
	}
	folder, arrived, travels := "", 0, 0
	numbers := map[string]bool{}
	for _, d := range p.files {
		if here, _, _ := split(d, places[d]); d.document && len(here) == 1 {
			folder = here[0].folder
		}
	}
	for _, d := range p.files {
		here, there, _ := split(d, places[d])
		for _, f := range there {
			_, number := original(f.name)
			numbers[number] = true
		}
		if d.late || len(here) != 1 {
			continue
		}
		if here[0].folder != folder {
			object("%q is filed in %s, its document in %s", d.name, here[0], folder)
		}
		if !d.marker {
			travels++
			arrived += min(len(there), 1)
		}
	}
	if len(numbers) > 1 {
		object("its files got different keys on the other side, so nobody finds them together")
	}
	if arrived != 0 && arrived != travels {
		object("only %d of %d files are on the other side", arrived, travels)
	}
	return problems
}
