package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"
)

// AddEvent records an event.
func (tx *Tx) AddEvent(e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	tx.did(Deed{Kind: DeedEvent, Partner: e.Partner, Level: e.Level, Code: e.Code})
	return tx.insert("event", `INSERT INTO events (partner, subject, body) VALUES (?,?,?)`, e.Partner, e.Subject, string(body))
}

// EventsOf a transfer or received message, oldest first.
func (tx *Tx) EventsOf(subject string) ([]Event, error) {
	return all[Event](tx, `SELECT json_set(body, '$.id', id) FROM events WHERE subject=? ORDER BY id`, subject)
}

// RecentEvents of a partner ("" = the agent itself), latest first.
func (tx *Tx) RecentEvents(partner string, limit int) ([]Event, error) {
	return all[Event](tx, `SELECT json_set(body, '$.id', id) FROM events WHERE partner=? ORDER BY id DESC LIMIT ?`, partner, limit)
}

// NewestEvents are those of everybody, latest first.
func (tx *Tx) NewestEvents(limit int) ([]Event, error) {
	return all[Event](tx, `SELECT json_set(body, '$.id', id) FROM events WHERE id>0 ORDER BY id DESC LIMIT ?`, limit)
}

// AddWish records what an operator wants.
func (tx *Tx) AddWish(w Wish) error {
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return tx.insert("wish "+w.ID, `INSERT INTO wishes (id, open, body) VALUES (?,?,?)`, w.ID, w.Done.IsZero(), string(body))
}

// AddWish records what somebody wants at the moment w.At, and returns it with its identifier.
func (l *Ledger) AddWish(ctx context.Context, w Wish) (Wish, error) {
	var err error
	if w.ID, err = NewID(w.At, rand.Reader); err != nil {
		return w, err
	}
	return w, l.Update(ctx, func(tx *Tx) error { return tx.AddWish(w) })
}

// OpenWishes are those that nobody has dealt with, oldest first.
func (tx *Tx) OpenWishes() ([]Wish, error) {
	return all[Wish](tx, `SELECT body FROM wishes WHERE open=1 ORDER BY id`)
}

// Wish reads one wish.
func (tx *Tx) Wish(id string) (Wish, error) {
	return one[Wish](tx, "wish "+id, `SELECT body FROM wishes WHERE id=?`, id)
}

// FinishWish records what became of a wish; a second time is ErrLost.
func (tx *Tx) FinishWish(w Wish, at time.Time, result string) error {
	w.Done, w.Result = at.UTC(), result
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return tx.replace("wish "+w.ID, `UPDATE wishes SET open=0, body=? WHERE id=? AND open=1`, string(body), w.ID)
}

// SavePause pauses a partner, or changes the pause.
func (tx *Tx) SavePause(p Pause) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return tx.exec("pause", `INSERT INTO pauses (partner, body) VALUES (?,?) ON CONFLICT (partner) DO UPDATE SET body=excluded.body`, p.Partner, string(body))
}

// Pause reads the pause of a partner; ErrNotFound means that there is none.
func (tx *Tx) Pause(partner string) (Pause, error) {
	return one[Pause](tx, "pause of "+partner, `SELECT body FROM pauses WHERE partner=?`, partner)
}

// EndPause ends the pause of a partner, if there is one.
func (tx *Tx) EndPause(partner string) error {
	return tx.exec("pause", `DELETE FROM pauses WHERE partner=?`, partner)
}

// Folder reads what the marker of a partner's folder must say.
func (tx *Tx) Folder(partner string) (Folder, error) {
	return one[Folder](tx, "folder of "+partner, `SELECT body FROM folders WHERE partner=?`, partner)
}

// InsertFolder records a partner's folder when it is made.
func (tx *Tx) InsertFolder(f Folder) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return tx.insert("folder of "+f.Partner, `INSERT INTO folders (partner, body) VALUES (?,?)`, f.Partner, string(body))
}

// SaveFolder changes what is recorded of a partner's folder.
func (tx *Tx) SaveFolder(f Folder) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return tx.replace("folder of "+f.Partner, `UPDATE folders SET body=? WHERE partner=?`, string(body), f.Partner)
}

// Strays are partners that something is open for, other than the ones that are known.
func (tx *Tx) Strays(known []string) (strays []string, err error) {
	for _, t := range []struct{ next, open string }{
		{`SELECT partner FROM transfers WHERE partner>? ORDER BY partner LIMIT 1`, `SELECT partner FROM transfers WHERE partner=? AND open=1 LIMIT 1`},
		{`SELECT partner FROM received WHERE partner>? ORDER BY partner LIMIT 1`, `SELECT partner FROM received WHERE partner=? AND open=1 LIMIT 1`},
		{`SELECT partner FROM stored WHERE partner>? ORDER BY partner LIMIT 1`, `SELECT partner FROM stored WHERE partner=? AND open=1 LIMIT 1`},
		{`SELECT partner FROM owed_mdns WHERE partner>? ORDER BY partner LIMIT 1`, `SELECT partner FROM owed_mdns WHERE partner=? AND open=1 LIMIT 1`},
		{`SELECT partner FROM hooks WHERE partner>? AND open=1 ORDER BY partner LIMIT 1`, `SELECT partner FROM hooks WHERE partner=? AND open=1 LIMIT 1`},
	} {
		partner := ""
		for more := true; more; {
			if partner, more, err = tx.text(t.next, partner); err != nil || !more {
				break
			}
			if slices.Contains(known, partner) || slices.Contains(strays, partner) {
				continue
			}
			_, open, err := tx.text(t.open, partner)
			if err != nil {
				return nil, wrap(err, "partners")
			}
			if open {
				strays = append(strays, partner)
			}
		}
		if err != nil {
			return nil, wrap(err, "partners")
		}
	}
	return strays, nil
}

// text reads one text, if there is a row.
func (tx *Tx) text(query string, args ...any) (text string, found bool, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, query, args...).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return text, err == nil, err
}

// SaveConfig keeps the text of a config under its hash.
func (tx *Tx) SaveConfig(hash, text string, at time.Time) error {
	return tx.exec("config", `INSERT INTO configs (hash, at, text) VALUES (?,?,?) ON CONFLICT (hash) DO NOTHING`, hash, nanos(at), text)
}

// Config reads the text of a config.
func (tx *Tx) Config(hash string) (string, error) {
	var text string
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT text FROM configs WHERE hash=?`, hash).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return text, wrap(err, "config "+hash)
}

// SaveStation keeps a station as it is configured now.
func (tx *Tx) SaveStation(s Station) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.exec("station", `INSERT INTO stations (name, as2_id, body) VALUES (?,?,?) ON CONFLICT (name, as2_id) DO UPDATE SET body=excluded.body`, s.Name, s.AS2, string(body))
}

// SaveCertificate keeps a certificate that is configured now.
func (tx *Tx) SaveCertificate(c Certificate) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return tx.exec("certificate", `INSERT INTO certificates (owner, fingerprint, body) VALUES (?,?,?) ON CONFLICT (owner, fingerprint) DO UPDATE SET body=excluded.body`, c.Owner, c.Fingerprint, string(body))
}

// Certificates of a station or partner, all that were ever configured.
func (tx *Tx) Certificates(owner string) ([]Certificate, error) {
	return all[Certificate](tx, `SELECT body FROM certificates WHERE owner=?`, owner)
}

const (
	metaAgent      = "agent"
	metaGeneration = "generation"
)

// AgentID identifies this ledger; markers in partner folders carry it. fresh becomes
// the identifier of a ledger that has none.
func (tx *Tx) AgentID(fresh string) (string, error) {
	if err := tx.exec("meta", `INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO NOTHING`, metaAgent, fresh); err != nil {
		return "", err
	}
	var id string
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT value FROM meta WHERE key=?`, metaAgent).Scan(&id)
	return id, wrap(err, "agent id")
}

// Agent identifies this ledger; empty = it was never run with.
func (tx *Tx) Agent() (string, error) {
	id, _, err := tx.text(`SELECT value FROM meta WHERE key=?`, metaAgent)
	return id, wrap(err, "agent id")
}

// Generation counts the starts of the agent and the hours it ran. What of it each
// partner's marker has seen is in its Folder.
func (tx *Tx) Generation() (int64, error) {
	var text string
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT value FROM meta WHERE key=?`, metaGeneration).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, wrap(err, "generation")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, wrap(err, "generation")
}

// SetGeneration sets it.
func (tx *Tx) SetGeneration(n int64) error {
	return tx.exec("generation", `INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value`, metaGeneration, strconv.FormatInt(n, 10))
}
