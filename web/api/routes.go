package api

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// route is one thing that can be asked.
type route struct {
	method, path string // the path behind Prefix
	role         accounts.Role
	summary      string
	params       []param
	body         reflect.Type // of what is sent; nil = nothing
	result       reflect.Type // of the answer
	status       int          // of the answer
	do           func(*request) (any, error)
}

// param is a parameter of a query.
type param struct {
	name, text string
	kind       string   // string, integer, boolean, moment
	enum       []string // values that it can have
}

func get[T any](path, summary string, do func(*request) (T, error), params ...param) route {
	return route{http.MethodGet, path, accounts.Viewer, summary, params, nil, reflect.TypeFor[T](), http.StatusOK, func(r *request) (any, error) { return do(r) }}
}

// Page parameters.
var (
	ofPartner = param{"partner", "Only of this partner.", "string", nil}
	fromParam = param{"from", "Not before this moment: RFC 3339, or a date in the zone of the config.", "moment", nil}
	toParam   = param{"to", "Before this moment.", "moment", nil}
	after     = param{"after", "The next of the page before.", "string", nil}
	perPage   = param{"limit", "How many, from 1 to 500; 50 if it is not said.", "integer", nil}
	messageID = param{"message_id", "With this Message-ID.", "string", nil}
	text      = param{"text", "The beginning of a word of a file name; or a key, an identifier or a Message-ID as it is.", "string", nil}
)

// routes are all that there are.
func routes() []route {
	stands := make([]string, len(ledger.Stands))
	for i, s := range ledger.Stands {
		stands[i] = string(s)
	}
	return []route{
		get("/openapi.json", "This description.", func(r *request) (map[string]any, error) { return Description(), nil }),
		get("/me", "Who asks, and the version of the agent.", (*request).me),
		get("/status", "How the running agent is: what as2drop status prints.", (*request).status),
		get("/overview", "Every partner with what is under way and what happened today, problems, and charts.", func(r *request) (views.Overview, error) { return r.o.Reader.Overview(r.Context(), r.o.Now()) }),
		get("/parties", "Partners, stations and addresses with their certificates.", func(r *request) (views.Parties, error) { return r.o.Reader.Parties(r.o.Now()), nil }),
		get("/partners/{name}", "One partner as it is configured, without secrets.", func(r *request) (views.Partner, error) { return r.o.Reader.Partner(r.PathValue("name"), r.o.Now()) }),
		get("/partners/{name}/overview", "What is under way for one partner and what happened, with charts of his own.", func(r *request) (views.PartnerOverview, error) {
			return r.o.Reader.PartnerOverview(r.Context(), r.PathValue("name"), r.o.Now())
		}),
		get("/waiting", "What waits, file by file and transfer by transfer: what as2drop ls prints.", (*request).waiting,
			ofPartner, param{"done", "Also the last transfers that are done, and the last messages received.", "boolean", nil}),
		get("/transfers", "Transfers, the newest first.", (*request).transfers,
			text, ofPartner, param{"stand", "Only those that stand so.", "string", stands}, messageID, fromParam, toParam, after, perPage),
		get("/transfers/{id}", "One transfer with its timeline.", func(r *request) (views.Message, error) {
			return r.o.Reader.Transfer(r.Context(), r.PathValue("id"), r.o.Now())
		}),
		get("/received", "Messages that came, the newest first.", (*request).received,
			param{"kind", "Accepted ones (if it is not said), refused ones, or those that nobody has opened yet.", "string", views.Kinds},
			text, ofPartner, messageID, fromParam, toParam, after, perPage),
		get("/received/{id}", "One message that came, with its timeline.", func(r *request) (views.IncomingMessage, error) {
			return r.o.Reader.IncomingMessage(r.Context(), r.PathValue("id"), r.o.Now())
		}),
		get("/stories", "Everything that is on record of what is called so: what as2drop show prints.", (*request).stories,
			param{"what", "An identifier or the beginning of one, a key, or a Message-ID.", "string", nil}),
		get("/schedule", "What will happen, the earliest first.", (*request).schedule,
			ofPartner, fromParam, param{"count", "How many of what repeats, from 1 to 10000, and without a partner less where there are many; 3 if it is not said.", "integer", nil}),
		get("/wishes/{id}", "A wish, and what became of it.", func(r *request) (ledger.Wish, error) { return r.o.Reader.Wish(r.Context(), r.PathValue("id")) }),
		{http.MethodPost, "/wishes", accounts.Operator, "Ask the agent for something. A second request with the same Idempotency-Key, or for the same before it was dealt with, gets the wish there is.", nil, reflect.TypeFor[wanted](), reflect.TypeFor[ledger.Wish](), http.StatusAccepted,
			func(r *request) (any, error) { return r.wish() }},
	}
}

// me is who asks.
type me struct {
	Name    string        `json:"name"`
	Role    accounts.Role `json:"role"`
	Version string        `json:"version"` // of the agent
}

func (r *request) me() (me, error) { return me{r.who.Name, r.who.Role, r.o.Version}, nil }

func (r *request) status() (status.Status, error) {
	s := r.o.Reader.Status()
	if s == nil {
		return status.Status{}, problem{Status: http.StatusServiceUnavailable, Detail: "the agent has just been started and has not looked how it is", Hint: "ask again in a moment"}
	}
	return *s, nil
}

func (r *request) transfers() (views.Page[views.Transfer], error) {
	s := views.Search{Text: r.query.Get("text"), Partner: r.query.Get("partner"), Stand: ledger.Stand(r.query.Get("stand")), MessageID: r.query.Get("message_id"), After: r.query.Get("after")}
	var err error
	if s.From, s.To, s.Limit, err = r.page(); err != nil {
		return views.Page[views.Transfer]{}, err
	}
	return r.o.Reader.Transfers(r.Context(), s, r.o.Now())
}

func (r *request) received() (views.Page[views.Incoming], error) {
	s := views.IncomingSearch{Kind: r.query.Get("kind"), Text: r.query.Get("text"), Partner: r.query.Get("partner"), MessageID: r.query.Get("message_id"), After: r.query.Get("after")}
	var err error
	if s.From, s.To, s.Limit, err = r.page(); err != nil {
		return views.Page[views.Incoming]{}, err
	}
	return r.o.Reader.Incoming(r.Context(), s, r.o.Now())
}

// page reads what all lists have.
func (r *request) page() (from, to time.Time, limit int, err error) {
	if from, err = r.moment("from"); err != nil {
		return from, to, 0, err
	}
	if to, err = r.moment("to"); err != nil {
		return from, to, 0, err
	}
	limit, err = r.number("limit", views.DefaultLimit, views.MaxLimit)
	return from, to, limit, err
}

// moment reads a moment; zero if it is not said.
func (r *request) moment(name string) (time.Time, error) {
	value := r.query.Get(name)
	if value == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
		return t, nil
	}
	t, err := config.ParseMoment(value, r.o.Reader.Config().Location)
	if err != nil {
		return t, bad("%s: %v; write for example 2026-11-26T08:00:00Z or 2026-11-26", name, err)
	}
	return t, nil
}

// number reads a number from 1 on.
func (r *request) number(name string, unsaid, most int) (int, error) {
	value := r.query.Get(name)
	if value == "" {
		return unsaid, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, bad("%s is a number from 1 to %d, not %q", name, most, value)
	}
	return n, nil
}

// waiting is the list of what waits.
type waiting struct {
	Rows  []views.Row `json:"rows"`
	Notes []string    `json:"notes"`
}

func (r *request) waiting() (waiting, error) {
	done, err := strconv.ParseBool(r.query.Get("done"))
	if err != nil && r.query.Get("done") != "" {
		return waiting{}, bad("done is true or false, not %q", r.query.Get("done"))
	}
	rows, notes, err := r.o.Reader.Waiting(r.Context(), r.query.Get("partner"), done, r.o.Now())
	return waiting{rows, notes}, err
}

func (r *request) stories() (stories []views.Story, err error) {
	what := r.query.Get("what")
	if what == "" || len(what) > maxWhat {
		return nil, bad("what is missing or too long: an identifier, a key or a Message-ID")
	}
	err = r.o.Reader.View(r.Context(), func(tx *ledger.Tx) (err error) { stories, err = views.Find(tx, what); return err })
	for i := range stories {
		stories[i].WithoutCredentials()
	}
	if stories == nil {
		stories = []views.Story{}
	}
	return stories, err
}

func (r *request) schedule() (views.Schedule, error) {
	from, err := r.moment("from")
	if err != nil {
		return views.Schedule{}, err
	}
	if from.IsZero() {
		from = r.o.Now()
	}
	partner, most := r.query.Get("partner"), views.MaxPlanned
	if partner == "" {
		most = max(3, min(most, maxPlanned/max(1, len(r.o.Reader.Config().Partners))))
	}
	count, err := r.number("count", 3, most)
	if err != nil {
		return views.Schedule{}, err
	}
	return r.o.Reader.Schedule(r.Context(), partner, from, count)
}

// maxPlanned is how many of what repeats can be asked for, of all partners together.
const maxPlanned = 50_000
