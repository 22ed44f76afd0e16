package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

//go:embed templates static
var files embed.FS

// pages are the templates, each with the frame around it.
type pages struct {
	s    *Server
	all  map[string]*template.Template
	host string
}

// view is what the frame shows; Data is what the page is about.
type view struct {
	Title   string
	Section string   // of the navigation that the page belongs to
	V       *visitor // nil = nobody is signed in
	Here    string   // path with query
	Live    int      // seconds after which the script looks again; 0 = never
	Host    string
	Version string
	Data    any
	Outcome *outcome
}

// names are the pages, with the part of the navigation and how often they change, in seconds.
var names = map[string]struct {
	section string
	live    int
}{
	"sign-in": {"", 0}, "failure": {"", 0}, "sure": {"transfers", 0},
	"overview": {"overview", 5}, "transfers": {"transfers", 3}, "transfer": {"transfers", 2},
	"received": {"received", 5}, "incoming": {"received", 5}, "partners": {"partners", 0}, "partner": {"partners", 5},
	"schedule": {"schedule", 15}, "health": {"health", 5}, "events": {"events", 5},
}

func newPages(s *Server) *pages {
	p := &pages{s: s, all: map[string]*template.Template{}}
	p.host, _ = os.Hostname() // a machine without a name has none to show
	frame := template.Must(template.New("frame").Funcs(p.funcs()).ParseFS(files, "templates/frame.html", "templates/parts.html"))
	for name := range names {
		p.all[name] = template.Must(template.Must(frame.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return p
}

func (p *pages) funcs() template.FuncMap {
	return template.FuncMap{
		"time": p.time, "ago": func(t time.Time) template.HTML { return p.moment(t, ago(t, p.s.o.Now())) }, "date": p.date, "zone": p.zone,
		"size": func(n any) string { return numbered(n, size[int64]) }, "count": func(n any) string { return numbered(n, count[int64]) },
		"files":  func(n int) string { return plural(n, "file", "files") },
		"action": actionName, "help": actionHelp, "stand": standName, "standtone": standTone, "kindtone": kindTone, "statetone": stateTone, "leveltone": levelTone, "level": levelName,
		"percent": percent, "join": strings.Join, "static": p.static,
		"chart": drawHours, "days": drawDays, "values": values, "short": short, "removed": views.Removed,
	}
}

// numbered writes a number of any kind.
func numbered(n any, write func(int64) string) string {
	switch n := n.(type) {
	case int:
		return write(int64(n))
	case int64:
		return write(n)
	case uint64:
		return write(int64(n))
	}
	return fmt.Sprint(n)
}

// values hands a part of a page several values.
func values(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// short is the beginning of a digest.
func short(s string) string {
	if len(s) > 16 {
		return s[:16] + "…"
	}
	return s
}

func (s *Server) zone() *time.Location { return s.o.Config().Location }

// zone names the zone of the times on the pages. That of the machine has no name of its own.
func (p *pages) zone() string {
	if z := p.s.zone(); z != time.Local {
		return z.String()
	}
	return p.s.o.Now().Local().Format("MST (-07:00)") + ", as on this machine"
}

// moment is a time element that shows a text; a zero moment is a dash.
func (p *pages) moment(t time.Time, text string) template.HTML {
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	exact := t.In(p.s.zone()).Format("2006-01-02 15:04:05 MST")
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339), template.HTMLEscapeString(exact), template.HTMLEscapeString(text)))
}

// time shows a moment in the zone of the config: without the date if it is today.
func (p *pages) time(t time.Time) template.HTML {
	at, now := t.In(p.s.zone()), p.s.o.Now().In(p.s.zone())
	form := "2006-01-02 15:04:05"
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		form = "15:04:05"
	}
	return p.moment(t, at.Format(form))
}

func (p *pages) date(t time.Time) template.HTML {
	return p.moment(t, t.In(p.s.zone()).Format(time.DateOnly))
}

// render writes a page. It is made whole first, so that a mistake in it is an answer of its
// own and not half a page.
func (p *pages) render(rw http.ResponseWriter, v *visitor, code int, name, title string, data any) {
	p.show(rw, view{Title: title, V: v, Data: data}, code, name)
}

func (p *pages) show(rw http.ResponseWriter, w view, code int, name string) {
	w.Section, w.Live = names[name].section, names[name].live
	w.Host, w.Version = p.host, p.s.o.Version
	var b bytes.Buffer
	if err := p.all[name].ExecuteTemplate(&b, "frame", w); err != nil {
		p.s.o.Log.Error("console: a page could not be made", "page", name, "error", err)
		http.Error(rw, "The page could not be made. The log of the agent says why.", http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(code)
	_, _ = rw.Write(b.Bytes()) // whoever asked is gone
}

// failureData fills the page of that name.
type failureData struct{ What, Why string }

func (p *pages) failure(rw http.ResponseWriter, v *visitor, code int, what, why string) {
	p.render(rw, v, code, "failure", what, failureData{what, why})
}

// unknown answers what is not there, or could not be asked for. It reports whether it did.
func (s *Server) unknown(rw http.ResponseWriter, v *visitor, err error, what, name string) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, ledger.ErrNotFound):
		s.pages.failure(rw, v, http.StatusNotFound, "There is no such "+what, fmt.Sprintf("No %s is known as %q.", what, name))
	case errors.Is(err, context.Canceled): // whoever asked is gone
	default:
		s.o.Log.Error("console: the ledger did not answer", "error", err)
		s.pages.failure(rw, v, http.StatusServiceUnavailable, "The ledger does not answer", "It is busy or damaged: "+err.Error())
	}
	return true
}

func (s *Server) nothing(rw http.ResponseWriter, r *http.Request, v *visitor) {
	s.unknown(rw, v, ledger.ErrNotFound, "page", r.URL.Path)
}

// kinds of what is in static/.
var kinds = map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

// assets are the files in static/ under names that change with them.
func assets() map[string]asset {
	all := map[string]asset{}
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, e := range entries {
		content := mustRead(files, "static/"+e.Name())
		name, ext, _ := strings.Cut(e.Name(), ".")
		all[versioned(name, ext, content)] = asset{kinds[ext], content}
	}
	return all
}

func versioned(name, ext string, content []byte) string {
	sum := sha256.Sum256(content)
	return name + "-" + hex.EncodeToString(sum[:6]) + "." + ext
}

// static is the path of a file in static/.
func (p *pages) static(file string) string {
	name, ext, _ := strings.Cut(file, ".")
	return "/static/" + versioned(name, ext, mustRead(files, "static/"+file))
}
