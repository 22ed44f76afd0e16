package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// InsertReceived adds a message that is to be published and reserves its final names.
// fold gives the form in which names are compared. ErrExists means that the message,
// or one of the names, is there already; the caller asks ReceivedByMessage which.
func (tx *Tx) InsertReceived(r *Received, fold func(string) string) error {
	r.Version = 1
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = tx.insert("message "+r.MessageID,
		`INSERT INTO received (id, partner, as2_from, as2_to, message_id, state, open, at, version, kept, body) VALUES (?,?,?,?,?,?,?,?,1,?,?)`,
		r.ID, r.Partner, r.From, r.To, r.MessageID, r.State, r.State != ReceivedPublished, nanos(r.At), r.kept(), string(body))
	if err == nil {
		err = tx.addWords(wordsOfReceived, r.ID, r.Partner, r.names())
	}
	if err != nil {
		return err
	}
	d := Deed{Kind: DeedReceived, Partner: r.Partner}
	for _, f := range r.Files {
		d.Bytes += f.Size
	}
	tx.did(d)
	return tx.reserveNames(r, fold)
}

// SaveReceived replaces a message if nobody did since it was read. Names stay
// reserved until it is published.
func (tx *Tx) SaveReceived(r *Received, fold func(string) string) error {
	old := r.Version
	r.Version++
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = tx.replace("message "+r.MessageID, `UPDATE received SET state=?, open=?, version=?, kept=?, body=? WHERE id=? AND version=?`,
		r.State, r.State != ReceivedPublished, r.Version, r.kept(), string(body), r.ID, old)
	if err == nil {
		err = tx.exec("names", `DELETE FROM names WHERE received=?`, r.ID)
	}
	if err == nil {
		err = tx.reserveNames(r, fold)
	}
	if err != nil {
		r.Version = old
	}
	return err
}

func (tx *Tx) reserveNames(r *Received, fold func(string) string) error {
	if r.State == ReceivedPublished {
		return nil
	}
	for _, n := range r.Places() {
		if err := tx.insert(fmt.Sprintf("file name %q", n), `INSERT INTO names (partner, name, received) VALUES (?,?,?)`, r.Partner, fold(n), r.ID); err != nil {
			return err
		}
	}
	return nil
}

// NameReserved reports whether a file name is on its way into a partner's inbox.
func (tx *Tx) NameReserved(partner, folded string) (bool, error) {
	var n int
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM names WHERE partner=? AND name=?`, partner, folded).Scan(&n)
	return n > 0, wrap(err, "names")
}

// ReceivedByMessage finds the accepted message of a sender, a receiver and a
// Message-ID (without angle brackets).
func (tx *Tx) ReceivedByMessage(from, to, messageID string) (Received, error) {
	return one[Received](tx, "message "+messageID, `SELECT body FROM received WHERE as2_from=? AND as2_to=? AND message_id=?`, from, to, messageID)
}

// Received reads one accepted message.
func (tx *Tx) Received(id string) (Received, error) {
	return one[Received](tx, "message "+id, `SELECT body FROM received WHERE id=?`, id)
}

// FindReceived finds accepted messages by identifier, by Message-ID with or without
// angle brackets, or by key: so many at most, the newest of them, the oldest first.
func (tx *Tx) FindReceived(what string, limit int) ([]Received, error) {
	if r, err := tx.Received(what); err == nil || !errors.Is(err, ErrNotFound) {
		return []Received{r}, err
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(what, "<"), ">")
	rs, err := all[Received](tx, `SELECT body FROM received WHERE message_id=? ORDER BY id LIMIT ?`, bare, limit)
	if err == nil && len(rs) == 0 {
		rs, err = all[Received](tx, `SELECT body FROM received WHERE json_extract(body, '$.key')=? ORDER BY id DESC LIMIT ?`, what, limit)
		slices.Reverse(rs)
	}
	return rs, err
}

// Unpublished are the accepted messages of a partner that are not in the inbox yet.
func (tx *Tx) Unpublished(partner string) ([]Received, error) {
	return all[Received](tx, `SELECT body FROM received WHERE partner=? AND open=1`, partner)
}

// RecentReceived are the messages of a partner, latest first.
func (tx *Tx) RecentReceived(partner string, limit int) ([]Received, error) {
	return all[Received](tx, `SELECT body FROM received WHERE partner=? ORDER BY at DESC LIMIT ?`, partner, limit)
}

// AddRefusal records a message that was not accepted.
func (tx *Tx) AddRefusal(r Refusal) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tx.did(Deed{Kind: DeedRefused, Partner: r.Partner, Reason: r.Disposition})
	return tx.insert("refusal "+r.ID, `INSERT INTO refusals (id, partner, at, kept, body) VALUES (?,?,?,?,?)`, r.ID, r.Partner, nanos(r.At), r.kept(), string(body))
}

// Refusal reads one refusal.
func (tx *Tx) Refusal(id string) (Refusal, error) {
	return one[Refusal](tx, "refusal "+id, `SELECT body FROM refusals WHERE id=?`, id)
}

// RecentRefusals are the refusals of a partner, latest first.
func (tx *Tx) RecentRefusals(partner string, limit int) ([]Refusal, error) {
	return all[Refusal](tx, `SELECT body FROM refusals WHERE partner=? ORDER BY at DESC LIMIT ?`, partner, limit)
}

// InsertStored adds a message that is durable and not opened yet.
func (tx *Tx) InsertStored(s *Stored) error {
	s.Version = 1
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.insert("stored message "+s.ID, `INSERT INTO stored (id, partner, open, held, due, version, body) VALUES (?,?,?,?,?,1,?)`,
		s.ID, s.Partner, s.Open, s.Hold != "", nanos(s.Due), string(body))
}

// SaveStored replaces a stored message if nobody did since it was read.
func (tx *Tx) SaveStored(s *Stored) error {
	old := s.Version
	s.Version++
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = tx.replace("stored message "+s.ID, `UPDATE stored SET open=?, held=?, due=?, version=?, body=? WHERE id=? AND version=?`,
		s.Open, s.Hold != "", nanos(s.Due), s.Version, string(body), s.ID, old)
	if err != nil {
		s.Version = old
	}
	return err
}

// Stored reads one stored message.
func (tx *Tx) Stored(id string) (Stored, error) {
	return one[Stored](tx, "stored message "+id, `SELECT body FROM stored WHERE id=?`, id)
}

// NextStored are the stored messages of a partner that somebody has to open, held ones
// not among them, oldest due first.
func (tx *Tx) NextStored(partner string, limit int) ([]Stored, error) {
	return all[Stored](tx, `SELECT body FROM stored WHERE partner=? AND open=1 AND held=0 ORDER BY due LIMIT ?`, partner, limit)
}

// OpenStored are all stored messages of a partner that nobody has opened, held ones too.
func (tx *Tx) OpenStored(partner string) ([]Stored, error) {
	return all[Stored](tx, `SELECT body FROM stored WHERE partner=? AND open=1 ORDER BY held, due`, partner)
}

// OweMDN records a receipt that is to be posted later.
func (tx *Tx) OweMDN(m *OwedMDN) error {
	m.Version = 1
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return tx.insert("owed receipt for "+m.Received, `INSERT INTO owed_mdns (received, partner, open, due, version, body) VALUES (?,?,?,?,1,?)`,
		m.Received, m.Partner, m.Open, nanos(m.Due), string(body))
}

// SaveOwedMDN replaces an owed receipt if nobody did since it was read.
func (tx *Tx) SaveOwedMDN(m *OwedMDN) error {
	old := m.Version
	m.Version++
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	err = tx.replace("owed receipt for "+m.Received, `UPDATE owed_mdns SET open=?, due=?, version=?, body=? WHERE received=? AND version=?`,
		m.Open, nanos(m.Due), m.Version, string(body), m.Received, old)
	if err != nil {
		m.Version = old
	}
	return err
}

// OwedMDN reads the receipt that is or was owed for a message.
func (tx *Tx) OwedMDN(received string) (OwedMDN, error) {
	return one[OwedMDN](tx, "owed receipt for "+received, `SELECT body FROM owed_mdns WHERE received=?`, received)
}

// NextMDNs are the receipts owed to a partner, oldest due first. One for a message that
// is not in the inbox yet is not among them: it must not leave before.
func (tx *Tx) NextMDNs(partner string, limit int) ([]OwedMDN, error) {
	return all[OwedMDN](tx, `SELECT body FROM owed_mdns WHERE partner=? AND open=1
		AND NOT EXISTS (SELECT 1 FROM received WHERE received.id=owed_mdns.received AND received.open=1) ORDER BY due LIMIT ?`, partner, limit)
}

// OpenMDNs are all receipts that are still owed to a partner.
func (tx *Tx) OpenMDNs(partner string) ([]OwedMDN, error) {
	return all[OwedMDN](tx, `SELECT body FROM owed_mdns WHERE partner=? AND open=1 ORDER BY due`, partner)
}

// Exists reports whether an identifier of ours names an accepted or refused message.
func (tx *Tx) Exists(id string) (received, refused bool, err error) {
	if _, err = tx.Received(id); err == nil {
		received = true
	} else if !errors.Is(err, ErrNotFound) {
		return false, false, err
	}
	if _, err = tx.Refusal(id); err == nil {
		refused = true
	} else if !errors.Is(err, ErrNotFound) {
		return false, false, err
	}
	return received, refused, nil
}
