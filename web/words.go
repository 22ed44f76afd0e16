package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// actionName is what a button says.
func actionName(k ledger.WishKind) string {
	switch k {
	case ledger.WishRetry:
		return "Retry"
	case ledger.WishHold:
		return "Hold"
	case ledger.WishRelease:
		return "Release"
	case ledger.WishDismiss:
		return "Give up"
	case ledger.WishRerun:
		return "Run hooks again"
	}
	return string(k)
}

// actionHelp says in a few words what a button does.
func actionHelp(k ledger.WishKind) string {
	switch k {
	case ledger.WishRetry:
		return "sends it again now"
	case ledger.WishHold:
		return "stops it until somebody releases it"
	case ledger.WishRelease:
		return "lets it go on"
	case ledger.WishDismiss:
		return "files it as failed for good"
	case ledger.WishRerun:
		return "runs those that were given up"
	}
	return ""
}

// standName is a stand for people, also in the list to choose from.
func standName(s ledger.Stand) string {
	switch s {
	case ledger.StandOpen:
		return "under way"
	case ledger.StandWaiting:
		return "waiting for the receipt"
	case ledger.StandUndone:
		return "put back"
	}
	return string(s)
}

// Tones are how things look: ok, busy, warn, bad, calm. Words say the same.
func standTone(s ledger.Stand) string {
	switch s {
	case ledger.StandSent:
		return "ok"
	case ledger.StandFailed:
		return "bad"
	case ledger.StandHeld:
		return "warn"
	case ledger.StandUndone:
		return "calm"
	}
	return "busy"
}

func kindTone(m views.Incoming) string {
	switch {
	case m.Kind == views.KindRefused:
		return "bad"
	case m.Held:
		return "warn"
	case m.Kind == views.KindStored:
		return "busy"
	}
	return "ok"
}

func stateTone(state string) string {
	switch state {
	case status.StateOK:
		return "ok"
	case status.StateHeld, status.StateBehind:
		return "warn"
	case "":
		return "calm"
	}
	return "bad"
}

func levelTone(l ledger.Level) string {
	switch l {
	case ledger.Alarm:
		return "bad"
	case ledger.Warning:
		return "warn"
	}
	return "calm"
}

func levelName(l ledger.Level) string {
	if l == "" {
		return "ok"
	}
	return string(l)
}

// count writes large numbers with thin gaps between thousands.
func count[T int | int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteRune('\u202f')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// size writes bytes as people read them.
func size[T int | int64 | uint64](n T) string {
	f := float64(n)
	if f < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		if f /= 1000; f < 999.95 || unit == "TB" {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return ""
}

// ago is how long ago something was, in words.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	future := d < 0
	if future {
		d = -d
	}
	var text string
	switch {
	case d < 10*time.Second:
		if future {
			return "in a moment"
		}
		return "just now"
	case d < time.Minute:
		text = fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		text = fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		text = fmt.Sprintf("%d h", int(d.Hours()))
	default:
		text = fmt.Sprintf("%d days", int(d.Hours()/24))
	}
	if future {
		return "in " + text
	}
	return text + " ago"
}

// plural writes a number with its noun.
func plural[T int | int64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// percent is how much of a POST is out.
func percent(sent, total int64) int {
	if total <= 0 {
		return 0
	}
	return int(min(sent*100/total, 100))
}
