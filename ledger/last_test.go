package ledger

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The last ones of several partners are those of each, whoever's rows lie between them.
func TestLastOfSeveralPartners(t *testing.T) {
	l := open1(t)
	var partners []string
	rapid.Check(t, func(rt *rapid.T) {
		base := len(partners)
		of := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 60).Draw(rt, "partner of each row")
		limit := rapid.IntRange(1, 5).Draw(rt, "limit")
		backwards := rapid.Bool().Draw(rt, "the identifiers run against the time")
		var these []string
		for i := range 5 { // the last one has nothing
			these = append(these, fmt.Sprintf("p%d", base+i))
		}
		partners = append(partners, these...)
		update(t, l, func(tx *Tx) error {
			for i, p := range of {
				n, at := i, moment.Add(time.Duration(i)*time.Minute)
				if backwards {
					n = len(of) - i
				}
				id := fmt.Sprintf("%06d-%02d", base, n)
				if err := tx.InsertTransfer(&Transfer{ID: id, Partner: these[p], Key: id, State: StateFiled, Verdict: VerdictAccepted, Created: at, MessageID: id}); err != nil {
					return err
				}
				if err := tx.InsertReceived(&Received{ID: id, Partner: these[p], From: "a", To: "b", MessageID: id, State: ReceivedPublished, At: at}, strings.ToLower); err != nil {
					return err
				}
			}
			return nil
		})
		err := l.View(t.Context(), func(tx *Tx) error {
			type rows struct {
				transfers map[string]map[int]Transfer
				received  map[string]map[int]Received
			}
			got, want := rows{map[string]map[int]Transfer{}, map[string]map[int]Received{}}, rows{map[string]map[int]Transfer{}, map[string]map[int]Received{}}
			for _, p := range these {
				transfers, err := tx.RecentTransfers(p, time.Time{}, limit)
				if err != nil {
					return err
				}
				received, err := tx.RecentReceived(p, limit)
				if err != nil {
					return err
				}
				got.transfers[p], got.received[p], want.transfers[p], want.received[p] = map[int]Transfer{}, map[int]Received{}, map[int]Transfer{}, map[int]Received{}
				for i := range transfers {
					want.transfers[p][i], want.received[p][i] = transfers[i], received[i]
				}
			}
			if err := tx.LastTransfers(these, limit, func(partner string, place int, t Transfer) { got.transfers[partner][place] = t }); err != nil {
				return err
			}
			if err := tx.LastReceived(these, limit, func(partner string, place int, r Received) { got.received[partner][place] = r }); err != nil {
				return err
			}
			if !reflect.DeepEqual(got, want) {
				rt.Errorf("%v\nwant %v", got, want)
			}
			return nil
		})
		if err != nil {
			rt.Error(err)
		}
	})
}

// Rows that lie beside each other are read in one go, and what lies between others is not read.
func TestLastReadsWhatIsWanted(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		for i := range 300 {
			partner := "acme"
			if i%150 >= 10 {
				partner = "beta"
			}
			id := fmt.Sprintf("%06d", i)
			if err := tx.InsertTransfer(&Transfer{ID: id, Partner: partner, Key: id, State: StateFiled, Verdict: VerdictAccepted, Created: moment.Add(time.Duration(i) * time.Minute), MessageID: id}); err != nil {
				return err
			}
		}
		return nil
	})
	for partner, most := range map[string]int64{"acme": 20 + 20 + 8 + 1, "beta": 20 + 20} {
		found, before := 0, l.RowsRead()
		err := l.View(t.Context(), func(tx *Tx) error {
			return tx.LastTransfers([]string{partner}, 20, func(string, int, Transfer) { found++ })
		})
		if read := l.RowsRead() - before; err != nil || found != 20 || read > most {
			t.Errorf("%s: %d found, %d rows were read, at most %d need be; %v", partner, found, read, most, err)
		}
	}
}
