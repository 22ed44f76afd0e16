package ledger

import (
	"encoding/json"
	"errors"
	"time"
)

// Pickup is when files of a partner are to be picked up next.
type Pickup struct {
	Partner  string    `json:"partner"`
	Due      time.Time `json:"due"`
	Schedule string    `json:"schedule"` // by which it was found
}

const metaPickup = "pickup " // of a partner

// Pickup reads the next pick-up of a partner; ErrNotFound means that none was noted.
func (tx *Tx) Pickup(partner string) (p Pickup, err error) {
	body, ok, err := tx.text(`SELECT value FROM meta WHERE key=?`, metaPickup+partner)
	if err == nil && !ok {
		err = ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &p)
	}
	return p, wrap(err, "pick-up of "+partner)
}

// SavePickup notes the next pick-up of a partner.
func (tx *Tx) SavePickup(p Pickup) error {
	body, err := json.Marshal(p)
	return errors.Join(err, tx.exec("pick-up", `INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value`, metaPickup+p.Partner, string(body)))
}
