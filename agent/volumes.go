package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// volumes gathers what is wrong with volumes, so that fifty partners on one that is full
// are one alarm an hour that names them, and not fifty.
type volumes struct {
	mu   sync.Mutex
	news map[volumeFault]*volumeNews
}

// volumeFault is a cause of trouble on one volume.
type volumeFault struct{ volume, cause string }

// volumeNews is who met it, and what there is to tell.
type volumeNews struct {
	partners   []string // that met it since it was told last
	text, hint string   // of the first of them
	told       time.Time
}

// met notes that a partner met a fault.
func (v *volumes) met(f volumeFault, partner, text, hint string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.news[f]
	if n == nil {
		n = &volumeNews{}
		if v.news == nil {
			v.news = map[volumeFault]*volumeNews{}
		}
		v.news[f] = n
	}
	if len(n.partners) == 0 {
		n.text, n.hint = text, hint
	}
	if !slices.Contains(n.partners, partner) {
		n.partners = append(n.partners, partner)
	}
}

// volumeAlarm is one that is to be told, of the partners that met the fault until then.
type volumeAlarm struct {
	fault    volumeFault
	partners []string
	event    ledger.Event
}

// due are the alarms to be told now, each at most once an hour. What nobody has met for so
// long is forgotten. They stay due until told says that they are on record.
func (v *volumes) due(now time.Time) (alarms []volumeAlarm) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for f, n := range v.news {
		switch {
		case now.Sub(n.told) < alarmEvery:
			continue
		case len(n.partners) == 0:
			delete(v.news, f)
			continue
		}
		slices.Sort(n.partners)
		e := ledger.Event{At: now.UTC(), Level: ledger.Alarm, Code: "fault", Text: n.text, Hint: n.hint}
		if len(n.partners) == 1 {
			e.Partner = n.partners[0]
		} else {
			e.Text = fmt.Sprintf("%d partners on one volume, %s: %s", len(n.partners), namesOf(n.partners), n.text)
		}
		alarms = append(alarms, volumeAlarm{f, slices.Clone(n.partners), e})
	}
	return alarms
}

// told notes that alarms are on record. Who met the same meanwhile is told of next time.
func (v *volumes) told(alarms []volumeAlarm, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, a := range alarms {
		n := v.news[a.fault]
		n.told = now
		n.partners = slices.DeleteFunc(n.partners, func(name string) bool { return slices.Contains(a.partners, name) })
	}
}

// tellVolumes records the alarms that are due.
func (a *running) tellVolumes(ctx context.Context) error {
	now := a.now()
	alarms := a.volumes.due(now)
	if len(alarms) == 0 {
		return nil
	}
	err := a.ledger.Update(ctx, func(tx *ledger.Tx) (err error) {
		for _, alarm := range alarms {
			err = errors.Join(err, tx.AddEvent(alarm.event))
		}
		return err
	})
	if err == nil {
		a.volumes.told(alarms, now)
	}
	return err
}

// maxNamed is how many partners a text names.
const maxNamed = 20

func namesOf(partners []string) string {
	if more := len(partners) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(partners[:maxNamed], ", "), more)
	}
	return strings.Join(partners, ", ")
}

// volumeOf names the volume that a folder is on; empty = it cannot be told.
func volumeOf(folder fsx.FS) string {
	if folder == nil {
		return ""
	}
	id, err := folder.Identity(".")
	if err != nil {
		return ""
	}
	return id.Volume()
}
