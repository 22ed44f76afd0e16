//go:build linux

package soak

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/keys"
)

var (
	duration  = flag.Duration("soak.time", 3*time.Second, "for how long faults happen")
	seedFlag  = flag.Uint64("soak.seed", 0, "of every decision; 0 = a new one")
	withRace  = flag.Bool("soak.race", false, "agents with the race detector")
	batchRate = flag.Duration("soak.rate", 1500*time.Millisecond, "mean time between two batches of one dropper; each side has one per partner")
)

// soak is one run.
type soak struct {
	t       *testing.T
	seed    uint64
	dir     string
	binary  string
	book    *book
	counts  *tally
	links   []*link
	sites   map[side]*site
	doors   map[side]map[string]*sync.RWMutex
	agents  map[side]*agent
	passes  map[side]*passage // to the side
	user    *syscall.Credential
	volumes []string      // small ones, mounted
	rested  time.Duration // how long they took to come to rest
}

func TestSoak(t *testing.T) {
	s := &soak{t: t, seed: *seedFlag, book: newBook(), counts: newTally(), links: links(), sites: map[side]*site{}, doors: map[side]map[string]*sync.RWMutex{}, agents: map[side]*agent{}, passes: map[side]*passage{}}
	if s.seed == 0 {
		s.seed = rand.Uint64()
	}
	again := fmt.Sprintf("make soak SEED=%d TIME=%v", s.seed, *duration)
	t.Logf("seed %d; to run it again: %s", s.seed, again)
	began := time.Now()
	s.prepare()
	scene, err := s.run()
	if err != nil {
		s.book.object("the folders cannot be read: %v", err)
	}
	problems := judge(s.book, scene)
	if len(problems) == 0 {
		problems = append(s.proofs(), s.checks()...)
	}
	if len(problems) == 0 {
		// The judge is believed only after it has seen the same folders damaged.
		unnoticed, _ := spoiled(s.book, scene)
		for _, name := range unnoticed {
			problems = append(problems, "the judge does not notice that "+name)
		}
	}
	s.summary(time.Since(began), scene)
	if len(problems) > 0 {
		const most = 60
		t.Errorf("%d things that must not be:\n%s", len(problems), strings.Join(problems[:min(len(problems), most)], "\n"))
		t.Fatalf("folders and logs are in %s; to run it again: %s", s.dir, again)
	}
	for _, dir := range s.volumes {
		s.must(syscall.Unmount(dir, 0))
	}
	s.must(os.RemoveAll(s.dir))
}

func (s *soak) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// nobody is who the agents run as where we may choose: root could not be kept out of a
// folder.
const nobody = 65534

// prepare builds the program, and makes keys, configs and volumes.
func (s *soak) prepare() {
	var err error
	s.dir, err = os.MkdirTemp("", "as2drop-soak-")
	s.must(err)
	s.must(os.Chmod(s.dir, 0o755))
	if os.Geteuid() == 0 {
		s.user = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	s.binary = filepath.Join(s.dir, "as2drop")
	args := []string{"build", "-tags", "failpoints", "-o", s.binary}
	if *withRace {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "../../cmd/as2drop")...).CombinedOutput(); err != nil {
		s.t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, name := range []string{"a", "b", "a-tls", "b-tls", "proxy"} {
		base := filepath.Join(s.dir, "keys", name)
		s.must(keys.Make(keys.Request{Name: name, Hosts: []string{"127.0.0.1"}, Bits: 2048, Now: time.Now()}, base+".pem", base+".key"))
	}
	for _, of := range sides {
		s.sites[of] = &site{side: of, dir: filepath.Join(s.dir, string(of)), listen: s.freePort(), folders: map[string]string{}}
		s.must(os.Mkdir(s.sites[of].dir, 0o755))
		s.doors[of] = map[string]*sync.RWMutex{}
		for _, l := range s.links {
			s.doors[of][l.name] = &sync.RWMutex{}
			if l.small {
				s.volume(of, l)
			}
		}
	}
}

func (s *soak) freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	defer l.Close() // nobody has connected
	return l.Addr().String()
}

// volume puts a link on a small volume of its own, where we may mount one.
func (s *soak) volume(of side, l *link) {
	dir := filepath.Join(s.dir, "volume-"+string(of))
	s.must(os.Mkdir(dir, 0o755))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512m,mode=755"); err != nil {
		s.t.Logf("no small volumes, so none runs full: mount: %v", err)
		return
	}
	s.volumes = append(s.volumes, dir)
	s.sites[of].folders[l.name] = filepath.Join(dir, l.name)
}

// own gives everything to the user that the agents run as.
func (s *soak) own() error {
	if s.user == nil {
		return nil
	}
	return filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
}

// run lets everything happen, waits for rest and looks at what has become of it.
func (s *soak) run() (scene, error) {
	faults, peace := context.WithTimeout(context.Background(), *duration)
	defer peace()
	s.openPassages(faults)
	for _, of := range sides {
		s.must(s.sites[of].write(s.links, 0))
	}
	s.must(s.own())

	var agents, chaos, readers sync.WaitGroup
	rest := make(chan struct{})
	for _, of := range sides {
		a := &agent{chance: newChance(s.seed, "killer of "+string(of)), site: s.sites[of], binary: s.binary, book: s.book, counts: s.counts, failpoints: s.failpoints(), lives: 4 * time.Second, user: s.user}
		s.agents[of] = a
		agents.Go(func() { a.live(faults, rest) })
		w := &world{chance: newChance(s.seed, "world of "+string(of)), site: s.sites[of], book: s.book, counts: s.counts, doors: s.doors[of], links: s.links, every: 4 * time.Second}
		chaos.Go(func() { w.harm(faults) })
		chaos.Go(func() { s.operate(faults, a) })
	}
	reading, stopReading := context.WithCancel(context.Background())
	defer stopReading()
	for _, of := range sides {
		for _, l := range s.links {
			d := &dropper{chance: newChance(s.seed, fmt.Sprint("dropper ", of, l.name)), book: s.book, site: s.sites[of], link: l, door: s.doors[of][l.name], counts: s.counts, rate: *batchRate}
			chaos.Go(func() { d.drop(faults) })
			r := &reader{chance: newChance(s.seed, fmt.Sprint("reader ", of, l.name)), book: s.book, site: s.sites[of], link: l, door: s.doors[of][l.name], seen: map[string]string{}}
			readers.Go(func() { r.readAll(reading); r.round() })
		}
	}
	chaos.Wait()
	for _, p := range s.passes {
		p.calm.Store(true)
	}
	calm := time.Now()
	s.awaitRest()
	s.rested = time.Since(calm)
	close(rest)
	agents.Wait()
	stopReading()
	readers.Wait()
	if len(s.book.objections()) == 0 {
		s.idle()
	}
	return s.look()
}

// openPassages puts the proxies between the two.
func (s *soak) openPassages(faults context.Context) {
	base := filepath.Join(s.dir, "keys", "proxy")
	certificate, err := tls.LoadX509KeyPair(base+".pem", base+".key")
	s.must(err)
	for _, of := range sides {
		s.passes[of] = openPassage(s.t, faults, of, s.sites[of].listen, certificate, newChance(s.seed, "way to "+string(of)), s.counts)
	}
	for _, of := range sides {
		us, them := s.passes[of], s.passes[of.other()]
		s.sites[of].web, s.sites[of].pipe = them.web.Addr().String(), them.pipe.Addr().String()
		s.sites[of].own = map[bool]string{false: us.web.Addr().String(), true: us.pipe.Addr().String()}
	}
}

var failpointName = regexp.MustCompile(`failpoint\.Hit\("([^"]+)"\)`)

// failpoints are the places where the program can be made to kill itself.
func (s *soak) failpoints() (names []string) {
	for _, pattern := range []string{"../../outbox/*.go", "../../inbox/*.go"} {
		files, err := filepath.Glob(pattern)
		s.must(err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			s.must(err)
			for _, m := range failpointName.FindAllStringSubmatch(string(text), -1) {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) < 10 {
		s.t.Fatalf("only these places to kill the agent were found: %q", names)
	}
	return names
}

// operate is an operator who has what failed sent again, and who holds a partner for a
// while now and then.
func (s *soak) operate(faults context.Context, a *agent) {
	c := newChance(s.seed, "operator of "+string(a.site.side))
	for pause(faults, c.about(4*time.Second)) {
		if c.percent(25) {
			name := s.links[c.n(len(s.links))].name
			s.counts.add("partners held and released")
			_, _ = a.run("hold", name, "--reason", "soak") // release ends it whether it came about or not
			pause(faults, c.about(2*time.Second))
			s.release(a, name)
			continue
		}
		for _, l := range s.links {
			if l.hasty {
				s.retryOne(a, l, c)
			}
		}
	}
}

// retryOne has one of the transfers in failed sent again.
func (s *soak) retryOne(a *agent, l *link, c *chance) {
	entries, err := os.ReadDir(filepath.Join(a.site.folder(l.name), inFailed))
	if err != nil || len(entries) == 0 {
		return
	}
	name := entries[c.n(len(entries))].Name()
	s.counts.add("retries by the operator")
	_, _ = a.run("retry", name[strings.LastIndexByte(name, '.')+1:]) // it may be settled by now
}

// release ends a hold. An agent that is dead, or a folder that is away, can keep it from
// being granted: an operator would ask again, and so do we.
func (s *soak) release(a *agent, name string) {
	out := ""
	for range 60 {
		if out, _ = a.run("release", name); strings.Contains(out, "goes on") {
			return
		}
		pause(context.Background(), 500*time.Millisecond)
	}
	s.book.object("%s on %s cannot be released: %s", name, a.site.side, out)
}

// restWithin is how long both may take to come to rest after the last fault.
func restWithin() time.Duration { return max(5*time.Minute, *duration/2) }

// awaitRest waits until nothing is on its way any more, on both sides and twice in a row.
func (s *soak) awaitRest() {
	ctx, cancel := context.WithTimeout(context.Background(), restWithin())
	defer cancel()
	open := ""
	for calm := 0; calm < 3; {
		open = ""
		for _, of := range sides {
			if s.agents[of].gone.Load() {
				return // it has been objected to
			}
			more, err := s.agents[of].open()
			if err != nil {
				more = err.Error()
			}
			if more != "" {
				open += fmt.Sprintf("%s:\n%s\n", of, more)
			}
		}
		if calm++; open != "" {
			calm = 0
		}
		if !pause(ctx, 700*time.Millisecond) {
			s.book.object("they have not come to rest within %v of the last fault:\n%s", restWithin(), open)
			return
		}
	}
}

// idle runs each agent once more: there must be nothing left for it to do.
func (s *soak) idle() {
	for _, of := range sides {
		if out, err := s.agents[of].run("run", "--until-idle"); err != nil {
			s.book.object("as2drop run --until-idle on %s: %v: %s", of, err, out)
		}
	}
}

// look reads all folders of both sides.
func (s *soak) look() (scene, error) {
	sc := scene{why: map[string]string{}, hasty: map[string]bool{}, order: map[string]bool{}}
	for _, l := range s.links {
		sc.hasty[l.name], sc.order[l.name] = l.hasty, l.strict
		for _, of := range sides {
			if err := sc.look(of, l.name, s.sites[of].folder(l.name)); err != nil {
				return sc, err
			}
		}
	}
	return sc, nil
}

// checks asks the agents' own check, which must have found nothing, and reads their logs.
func (s *soak) checks() (problems []string) {
	for _, of := range sides {
		if out, err := s.agents[of].run("check"); err != nil {
			problems = append(problems, fmt.Sprintf("as2drop check on %s: %v\n%s", of, err, out))
		}
		text, err := os.ReadFile(s.agents[of].log())
		s.must(err)
		for _, bad := range []string{"panic", "DATA RACE", "level=ERROR msg=\"receiving panicked\""} {
			if i := strings.Index(string(text), bad); i >= 0 {
				problems = append(problems, fmt.Sprintf("the log of %s has %q: %s", of, bad, text[i:min(i+2000, len(text))]))
			}
		}
	}
	return problems
}

// sampled is how many transfers, and how many messages, of each link and side are proven
// from their evidence.
const sampled = 2

// proofs proves a sample from the evidence alone.
func (s *soak) proofs() (problems []string) {
	c := newChance(s.seed, "sample")
	for _, of := range sides {
		for _, l := range s.links {
			if !l.proven {
				continue
			}
			folder := s.sites[of].folder(l.name)
			sent, err := filepath.Glob(filepath.Join(folder, inSent, "*", "*"))
			s.must(err)
			for i, path := range sent {
				name := filepath.Base(path)
				sent[i] = filepath.Join(folder, ".evidence", name[strings.LastIndexByte(name, '.')+1:])
			}
			records, err := filepath.Glob(filepath.Join(folder, ".evidence", "*", "message.json"))
			s.must(err)
			var received []string
			for _, record := range records {
				text, err := os.ReadFile(record)
				s.must(err)
				if strings.Contains(string(text), `"state": "`) { // a refusal has none
					received = append(received, filepath.Dir(record))
				}
			}
			for _, evidence := range [][]string{sent, received} {
				for range min(sampled, len(evidence)) {
					dir := evidence[c.n(len(evidence))]
					s.counts.add("proofs from the evidence alone")
					if out, err := s.agents[of].run("verify", dir); err != nil {
						problems = append(problems, fmt.Sprintf("as2drop verify %s: %v\n%s", dir, err, out))
					}
				}
			}
		}
	}
	return problems
}

// summary prints what happened.
func (s *soak) summary(took time.Duration, sc scene) {
	batches, files, bytes := s.book.count()
	places := map[string]int{}
	for _, f := range append(slices.Clone(sc.files), s.book.taken...) {
		places[f.place]++
	}
	var f figures
	for _, of := range sides {
		if err := f.add(filepath.Join(s.sites[of].dir, "data", "ledger.db")); err != nil {
			s.t.Error(err)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, faults for %v, %v until both had come to rest, %v in all\n", s.seed, *duration, s.rested.Round(time.Second), took.Round(time.Second))
	fmt.Fprintf(&b, "%6d batches, %d files, %.1f MiB dropped\n", batches, files, float64(bytes)/(1<<20))
	for _, place := range slices.Sorted(maps.Keys(places)) {
		fmt.Fprintf(&b, "%6d files are in the end in: %s\n", places[place], place)
	}
	fmt.Fprintf(&b, "%6d posts of messages, %d of them with unknown outcome; %d posts of asynchronous receipts\n", f.posts, f.unknown, f.receiptPosts)
	fmt.Fprintf(&b, "%6d repeats answered with the stored receipt; %d receipts that came after the transfer was given up\n", f.repeats, f.lateReceipts)
	for _, what := range slices.Sorted(maps.Keys(s.counts.by)) {
		fmt.Fprintf(&b, "%6d %s\n", s.counts.by[what], what)
	}
	s.t.Log(b.String())
}
