//go:build judges

package judges

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/envelope"
)

// interchangeOf makes the segments of a complete interchange, without terminators: groups
// or none, some messages, some segments.
func interchangeOf(r *rand.Rand, x12 bool) (segments []string) {
	groups := r.IntN(3)
	if x12 {
		groups++
		segments = append(segments, "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *261123*0600*U*00401*000000014*0*P*:")
	} else {
		segments = append(segments, "UNB+UNOC:3+A:14+B:14+261123:0600+14")
	}
	messages, all := 0, 0
	add := func(n int) {
		for i := range n {
			all++
			begin, end, data := fmt.Sprintf("UNH+%d+ORDERS:D:96A:UN", i+1), "UNT+%d+%d", []string{"BGM+220+4711+9", "FTX+AAI+++it?'s ?+ fine?:??", "LIN+1++4000862141404:SRS"}
			if x12 {
				begin, end, data = fmt.Sprintf("ST*850*%d", i+1), "SE*%d*%d", []string{"BEG*00*NE*4711**20261123", "N1*ST*ACME", "MSG*it's ?fine"}
			}
			n := r.IntN(4)
			segments = append(segments, begin)
			for range n {
				segments = append(segments, data[r.IntN(len(data))])
			}
			segments = append(segments, fmt.Sprintf(end, n+2, i+1))
		}
	}
	for g := range groups {
		messages = 1 + r.IntN(3)
		if x12 {
			segments = append(segments, fmt.Sprintf("GS*PO*A*B*20261123*0600*%d*X*004010", g+1))
			add(messages)
			segments = append(segments, fmt.Sprintf("GE*%d*%d", messages, g+1))
		} else {
			segments = append(segments, fmt.Sprintf("UNG+ORDERS+A+B+261123:0600+G%d+UN+D:96A", g+1))
			add(messages)
			segments = append(segments, fmt.Sprintf("UNE+%d+G%d", messages, g+1))
		}
	}
	switch {
	case x12:
		return append(segments, fmt.Sprintf("IEA*%d*000000014", groups))
	case groups > 0:
		return append(segments, fmt.Sprintf("UNZ+%d+14", groups))
	}
	add(r.IntN(4))
	return append(segments, fmt.Sprintf("UNZ+%d+14", all))
}

// harmed is an interchange as a file, mostly with one thing wrong.
func harmed(r *rand.Rand, segments []string, x12 bool) (text, how string) {
	i := r.IntN(len(segments))
	switch r.IntN(7) {
	case 0:
		how = "nothing"
	case 1:
		how = "a segment less: " + segments[i]
		segments = slices.Delete(segments, i, i+1)
	case 2:
		how = "a segment twice: " + segments[i]
		segments = slices.Insert(segments, i, segments[i])
	case 3:
		i = min(i, len(segments)-2)
		how = "two segments change places: " + segments[i]
		segments[i], segments[i+1] = segments[i+1], segments[i]
	case 4: // another count or reference
		how = "a trailer changed: "
		for !strings.HasPrefix(segments[i], "UN") && !x12 || x12 && !slices.Contains([]string{"SE*", "GE*", "IEA"}, segments[i][:3]) {
			i = r.IntN(len(segments))
		}
		at := strings.LastIndexAny(segments[i], "0123456789")
		segments[i] = segments[i][:at] + string('0'+(segments[i][at]-'0'+1)%10) + segments[i][at+1:]
		how += segments[i]
	case 5:
		how = "cut off"
	case 6:
		how = "line ends"
	}
	terminator := "'"
	if x12 {
		terminator = "~"
	}
	if how == "line ends" {
		terminator += "\r\n"
	}
	text = strings.Join(segments, terminator) + terminator
	if how == "cut off" {
		text = text[:1+r.IntN(len(text)-1)]
	}
	if !x12 && r.IntN(2) == 0 {
		text = "UNA:+.? '" + text
		if r.IntN(2) == 0 {
			text = strings.NewReplacer(":", "|", "+", "^", "?", "\\", "'", "~").Replace(text)
		}
	}
	return text, how
}

// pydifact and pyx12 find the same interchanges complete as we do.
func TestJudgeEnvelopes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 4))
	var texts, hows []string
	for range 4000 {
		x12 := r.IntN(2) == 0
		text, how := harmed(r, interchangeOf(r, x12), x12)
		texts, hows = append(texts, text), append(hows, how)
	}
	input, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, input, python(t), filepath.Join(programs, "envelopes.py"))
	var verdicts []struct {
		Complete bool
		Why      string
	}
	if err := json.Unmarshal([]byte(got.Stdout), &verdicts); err != nil || len(verdicts) != len(texts) {
		t.Fatalf("%v\n%s", err, got.Stderr)
	}
	complete, different := 0, 0
	for i, v := range verdicts {
		ours, err := envelope.Check(strings.NewReader(texts[i]), 3)
		if err != nil {
			t.Fatal(err)
		}
		if v.Complete {
			complete++
		}
		if v.Complete != (len(ours.Faults) == 0) {
			if different++; different < 10 {
				t.Errorf("%s\n  they: %v %s\n  we: %v\n%s", hows[i], v.Complete, v.Why, ours.Faults, texts[i])
			}
		}
	}
	t.Logf("%d of %d are complete", complete, len(texts))
	if complete < len(texts)/10 || complete > len(texts)/2 {
		t.Errorf("%d of %d are complete: that tells little", complete, len(texts))
	}
}
