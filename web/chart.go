package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/views"
)

// chart is a drawing of slots with what stands around it: what was sent goes up, what failed
// goes down, so that nobody needs colours to tell them apart.
type chart struct {
	ID           string
	Title        string
	Text         string // what is to be seen, in words
	SVG          template.HTML
	Most         int64
	First, Last  string
	Sent, Failed int64
	Rows         []chartRow
}

type chartRow struct {
	Label                           string
	Sent, Failed, Received, Refused int64
}

// drawHours and drawDays draw the slots of a page.
func drawHours(slots []views.Slot) chart {
	return draw("hours", "Last 24 hours", "15:04", slots)
}

func drawDays(slots []views.Slot) chart { return draw("days", "Last 30 days", "Mon 2 Jan", slots) }

// Measures of a drawing, in its own units. It is stretched to the room that there is.
const (
	above  = 70
	below  = 30
	column = 10
	gap    = 2
	least  = 3 // of what is not nothing
)

func draw(id, title, form string, slots []views.Slot) chart {
	c := chart{ID: id, Title: title}
	var failedMost int64
	for _, s := range slots {
		c.Most, failedMost = max(c.Most, s.Sent), max(failedMost, s.Failed)
		c.Sent, c.Failed = c.Sent+s.Sent, c.Failed+s.Failed
		c.Rows = append(c.Rows, chartRow{label(s.From, form), s.Sent, s.Failed, s.Received, s.Refused})
	}
	if len(slots) > 0 {
		c.First, c.Last = c.Rows[0].Label, c.Rows[len(slots)-1].Label
	}
	scale := max(c.Most, failedMost*above/below, 1)
	height := func(n int64) int64 {
		if n == 0 {
			return 0
		}
		return max(n*above/scale, least)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="bars" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-labelledby="chart-%s">`, len(slots)*column, above+below, id)
	for i, s := range slots {
		row := c.Rows[i]
		fmt.Fprintf(&b, `<g><title>%s: %d sent, %d failed</title><rect class="slot" x="%d" y="0" width="%d" height="%d"/>`, template.HTMLEscapeString(row.Label), s.Sent, s.Failed, i*column, column, above+below)
		if h := height(s.Sent); h > 0 {
			fmt.Fprintf(&b, `<rect class="sent" x="%d" y="%d" width="%d" height="%d"/>`, i*column+gap/2, above-h, column-gap, h)
		}
		if h := min(height(s.Failed), below-1); h > 0 {
			fmt.Fprintf(&b, `<rect class="failed" x="%d" y="%d" width="%d" height="%d"/>`, i*column+gap/2, above+1, column-gap, h)
		}
		b.WriteString(`</g>`)
	}
	fmt.Fprintf(&b, `<rect class="axis" x="0" y="%d" width="%d" height="1"/></svg>`, above, len(slots)*column)
	c.SVG = template.HTML(b.String())
	c.Text = plural(c.Sent, "document", "documents") + " sent, " + count(c.Failed) + " failed"
	return c
}

// label names a slot in the zone that its moment is in.
func label(t time.Time, form string) string { return t.Format(form) }
