package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// HookKind is the moment that a hook is about, as the config calls it.
type HookKind string

const (
	HookBeforeSend    HookKind = "before_send"
	HookAfterSent     HookKind = "after_sent"
	HookAfterFailed   HookKind = "after_failed"
	HookAfterReceived HookKind = "after_received"
)

// Outcomes of owed hooks that are not open any more.
const (
	HookDone      = "done"
	HookGaveUp    = "gave up"
	HookOvertaken = "overtaken" // what it was to tell of is not so any more
	HookGone      = "not in the config"
)

// OwedHook is a hook that is to be run because of what happened to a transfer or a
// received message, or one that was. It is owed from the same commit as that.
type OwedHook struct {
	Subject string    `json:"subject"` // transfer or received message
	Kind    HookKind  `json:"kind"`
	Name    string    `json:"name"` // in the config
	Partner string    `json:"partner"`
	Open    bool      `json:"open"`
	Running bool      `json:"running,omitempty"` // a run was begun, and its end is not on record
	Asked   int       `json:"asked"`             // how often it came to be owed
	Runs    int       `json:"runs"`              // that were begun, all of them
	Tries   int       `json:"tries"`             // that failed since it was owed last
	Since   time.Time `json:"since"`             // when it was owed last
	Due     time.Time `json:"due"`
	Outcome string    `json:"outcome,omitempty"` // once it is not open
	Reason  string    `json:"reason,omitempty"`  // why the last run failed, or why there was none
	Done    time.Time `json:"done,omitzero"`
	Version int64     `json:"version"`
}

func (h *OwedHook) what() string { return fmt.Sprintf("hook %s %q of %s", h.Kind, h.Name, h.Subject) }

// OweHook records that a hook is to be run. One that was run before for the same subject is
// run again.
func (tx *Tx) OweHook(partner string, kind HookKind, name, subject string, at time.Time) error {
	h, err := tx.Hook(subject, kind, name)
	first := errors.Is(err, ErrNotFound)
	if err != nil && !first {
		return err
	}
	h.Subject, h.Kind, h.Name, h.Partner = subject, kind, name, partner
	h.Open, h.Tries, h.Outcome, h.Reason, h.Done = true, 0, "", "", time.Time{}
	h.Asked++
	h.Since, h.Due = at.UTC(), at.UTC()
	if !first {
		return tx.SaveHook(&h)
	}
	h.Version = 1
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return tx.insert(h.what(), `INSERT INTO hooks (subject, kind, name, partner, open, due, version, body) VALUES (?,?,?,?,?,?,1,?)`,
		h.Subject, h.Kind, h.Name, h.Partner, h.Open, nanos(h.Due), string(body))
}

// SaveHook replaces an owed hook if nobody did since it was read.
func (tx *Tx) SaveHook(h *OwedHook) error {
	old := h.Version
	h.Version++
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	err = tx.replace(h.what(), `UPDATE hooks SET open=?, due=?, version=?, body=? WHERE subject=? AND kind=? AND name=? AND version=?`,
		h.Open, nanos(h.Due), h.Version, string(body), h.Subject, h.Kind, h.Name, old)
	if err != nil {
		h.Version = old
	}
	return err
}

// Hook reads one hook that is or was owed.
func (tx *Tx) Hook(subject string, kind HookKind, name string) (OwedHook, error) {
	return one[OwedHook](tx, (&OwedHook{Subject: subject, Kind: kind, Name: name}).what(), `SELECT body FROM hooks WHERE subject=? AND kind=? AND name=?`, subject, kind, name)
}

// HooksOf are those that are or were owed because of a transfer or received message.
func (tx *Tx) HooksOf(subject string) ([]OwedHook, error) {
	return all[OwedHook](tx, `SELECT body FROM hooks WHERE subject=? ORDER BY kind, name`, subject)
}

// NextHooks are the hooks that are owed for a partner, oldest due first.
func (tx *Tx) NextHooks(partner string, limit int) ([]OwedHook, error) {
	return all[OwedHook](tx, `SELECT body FROM hooks WHERE partner=? AND open=1 ORDER BY due LIMIT ?`, partner, limit)
}

// OpenHooks is how many hooks are owed for a partner.
func (tx *Tx) OpenHooks(partner string) (n int, err error) {
	err = tx.tx.QueryRowContext(tx.ctx, `SELECT count(*) FROM hooks WHERE partner=? AND open=1`, partner).Scan(&n)
	return n, wrap(err, "hooks")
}

// DeleteHooks deletes those of a transfer or message that are done with, and says how many.
func (tx *Tx) DeleteHooks(of string) (int64, error) {
	return tx.delete("hooks", `DELETE FROM hooks WHERE subject=? AND open=0`, of)
}
