package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestDocs follows every page of docs/ and the README as a reader would: what a console
// block shows is typed and must print what it shows, files that a page shows are written,
// every other YAML is read by the loader of the config, and every command line of ours in
// the text, also in blocks that cannot be run here, must be one that the program knows.
//
// A page has a folder of its own. In it
//
//   - a comment "test" has lines for testscript, which run at that place, and files as in
//     a txtar, which are there from the beginning;
//   - a block with title="NAME" is a file;
//   - "not run: REASON" before a block says why nobody runs it; a block that nobody runs
//     and has no such mark is a mistake;
//   - "wait" before a block: its commands are repeated until they print what is shown;
//   - "exit N" before a block is how its last command ends;
//   - "applied" before a block of YAML: it is what the config says of the partner acme from
//     then on;
//   - "printed" before a block: each line is a text of the program, held against its source;
//     before a table: what stands as code in its first column.
func TestDocs(t *testing.T) {
	keys := keyDir(t)
	for _, page := range docPages(t) {
		t.Run(strings.TrimSuffix(page.name, ".md"), func(t *testing.T) {
			reportNotRun(t, page)
			checkInline(t, page)
			for _, b := range page.blocks {
				checkBlock(t, page, b)
			}
			if !t.Failed() {
				followPage(t, page, keys)
			}
		})
	}
}

// reportNotRun lists what is not run, and why.
func reportNotRun(t *testing.T, page docPage) {
	reasons := map[string]int{}
	run := 0
	for _, b := range page.blocks {
		switch {
		case b.notRun != "":
			reasons[b.notRun]++
		case b.language != "script":
			run++
		}
	}
	t.Logf("%d blocks are run, read or compared", run)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		t.Logf("%d not run: %s", reasons[reason], reason)
	}
}

// checkBlock looks at what can be looked at without running it.
func checkBlock(t *testing.T, page docPage, b docBlock) {
	at := fmt.Sprintf("%s:%d", page.name, b.line)
	switch {
	case page.name == filepath.Join("docs", "commands.md"):
		// Made from the command line; its examples are not.
		for line := range strings.Lines(b.text) {
			if line, _, _ = strings.Cut(strings.TrimSpace(line), "  "); !strings.HasSuffix(line, " [flags]") {
				checkSpan(t, page, docInline{b.line, line})
			}
		}
	case b.notRun != "":
		for _, line := range commandLines(b) {
			if err := parseLine(line); err != nil {
				t.Errorf("%s: %s: %v", at, line, err)
			}
		}
	case b.title != "" || b.language == "script":
	case b.language == "console":
		if _, err := b.commands(); err != nil {
			t.Errorf("%s: %v", page.name, err)
		}
	case b.language == "yaml":
		if err := loadFragment(t.TempDir(), b.text); err != nil {
			t.Errorf("%s: the config does not take it: %v", at, err)
		}
	case b.printed:
		texts := sourceTexts(t)
		for _, line := range strings.Split(strings.TrimSpace(b.text), "\n") {
			if part := texts.lacks(line); part != "" {
				t.Errorf("%s: the program prints no %q: %s", at, part, line)
			}
		}
	default:
		t.Errorf("%s: nobody runs this block (%s), and no mark says why", at, b.language)
	}
}

// followPage makes a script of a page and runs it.
func followPage(t *testing.T, page docPage, keys string) {
	var script, files strings.Builder
	for i, b := range page.blocks {
		switch {
		case b.notRun != "":
		case b.language == "script":
			lines, more, _ := strings.Cut("\n"+b.text, "\n-- ")
			fmt.Fprintf(&script, "# %s:%d%s\n", page.name, b.line, lines)
			if more != "" {
				files.WriteString("-- " + more)
			}
		case b.title != "" || b.applied || b.language == "console":
			fmt.Fprintf(&script, "# %s:%d\nblock %d\n", page.name, b.line, i)
		}
	}
	if script.Len() == 0 {
		return
	}
	file := filepath.Join(t.TempDir(), strings.ReplaceAll(page.name, string(filepath.Separator), "-")+".txtar")
	if err := os.WriteFile(file, []byte(script.String()+"endpage\n"+files.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	session := &docSession{page: page}
	p := withHabits(withLedgers(withPartners(params(keys, ""))))
	p.Dir, p.Files = "", []string{file}
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		top, err := filepath.Abs(docRoot)
		if err != nil {
			return err
		}
		session.home, session.dir = e.WorkDir, e.WorkDir
		e.Defer(func() { _ = session.end() }) // if it failed; else endpage has
		if err := setup(e); err != nil {
			return err
		}
		e.Setenv("TOP", top)
		// Where a package puts things; here they are in the folder of the page.
		for _, path := range []string{"/etc/as2drop", "/var/lib/as2drop", "/mnt/backup", "/srv/edi"} {
			session.stands = append(session.stands, [2]string{path, e.WorkDir + path})
		}
		session.stands = append(session.stands, [2]string{":8443", ":" + e.Getenv("PORT")})
		return nil
	}
	p.Cmds["block"] = func(ts *testscript.TestScript, _ bool, args []string) {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		b := page.blocks[n]
		switch {
		case b.title != "":
			session.file(ts, b)
		case b.applied:
			writeSite(ts, strings.Split(strings.TrimSpace(b.text), "\n"))
		default:
			session.console(ts, b)
		}
	}
	// stands TEXT VALUE: where the page says TEXT, VALUE is meant on this machine.
	p.Cmds["stands"] = func(ts *testscript.TestScript, _ bool, args []string) {
		session.stands = append(session.stands, [2]string{args[0], args[1]})
	}
	// written FILE... has the ERP write files.
	p.Cmds["written"] = func(ts *testscript.TestScript, _ bool, args []string) {
		for _, name := range args {
			text := "<Invoice><ID>" + filepath.Base(name) + "</ID></Invoice>\n"
			if filepath.Ext(name) == ".pdf" {
				text = "%PDF-1.7\n"
			}
			ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o755))
			ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
		}
	}
	// site [YAML] sets up a station with a partner acme who takes what comes; the YAML, a line
	// each, is the partner's.
	p.Cmds["site"] = func(ts *testscript.TestScript, _ bool, args []string) {
		partnerCommand(ts, false, []string{"acme", "well"})
		writeSite(ts, args)
		ts.Check(ts.Exec("as2drop", "run", "--until-idle")) // makes the folders
	}
	// endpage has what still runs end, in order.
	p.Cmds["endpage"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Check(session.end())
	}
	testscript.Run(t, p)
}

// writeSite writes a config with a partner acme, of whom the lines say more.
func writeSite(ts *testscript.TestScript, lines []string) {
	text := os.Expand(siteConfig, ts.Getenv) + "    " + strings.Join(lines, "\n    ") + "\n"
	ts.Check(os.WriteFile(ts.MkAbs("config.yaml"), []byte(text), 0o600))
	ts.Setenv("AS2DROP_CONFIG", ts.MkAbs("config.yaml"))
}

// siteConfig is what the command site writes.
const siteConfig = `data_dir: var
stations:
  main: {as2_id: SELF, keys: [{certificate: "${KEYS}/self.pem", key: "${KEYS}/self.key"}]}
partners:
  acme:
    as2_id: ACME
    station: main
    url: ${ACME_URL}
    certificates: ["${KEYS}/other.pem"]
    server_certificates: [acme.pem]
`

// TestDocLinks says that what a page points to is there, headings too.
func TestDocLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range docPages(t) {
		text := readDoc(t, page.name)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, ":") {
				continue // elsewhere
			}
			target := page.name
			if file != "" {
				target = filepath.Join(filepath.Dir(page.name), file)
			}
			if info, err := os.Stat(filepath.Join(docRoot, target)); err != nil {
				t.Errorf("%s: there is no %s", page.name, m[1])
			} else if anchor != "" && !info.IsDir() && !slices.Contains(anchors(readDoc(t, target)), anchor) {
				t.Errorf("%s: %s has no heading %s", page.name, target, anchor)
			}
		}
	}
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anchors are what links name the headings of a page by.
func anchors(text string) []string {
	var all []string
	unwanted := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.Lines(text) {
		if title := strings.TrimLeft(line, "#"); title != line {
			title = unwanted.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all = append(all, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return all
}
