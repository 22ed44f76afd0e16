package envelope

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// isa is an ISA with the separators * : ~ and the control number 000000014.
const isa = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *261123*0600*U*00401*000000014*0*P*:~"

const orders = "UNB+UNOC:3+A:14+B:14+261123:0600+14'UNH+1+ORDERS:D:96A:UN'BGM+220+4711+9'UNT+3+1'UNZ+1+14'"

var complete = map[string]struct {
	text                string
	interchanges, parts int
}{
	"one message":                        {orders, 1, 1},
	"UNA, a segment in each line":        {"UNA:+.? '\r\n" + strings.ReplaceAll(orders, "'", "'\r\n"), 1, 1},
	"other separators":                   {"UNA|^,\\*~UNB^UNOC|3^A^B^261123|0600^14~UNH^1^X~FTX^a\\~b'+:?~UNT^3^1~UNZ^1^14~", 1, 1},
	"no release character":               {"UNA:+.  'UNB+UNOA:1+A+B+261123:0600+1'UNH+1+X'FTX+a?'UNT+3+1'UNZ+1+1'", 1, 1},
	"the terminator is a line end":       {"UNA:+.? \nUNB+UNOA:2+A+B+261123:0600+1\nUNH+1+X\r\nUNT+2+1\nUNZ+1+1\n", 1, 1},
	"release characters":                 {"UNB+UNOC:3+A+B+261123:0600+1'UNH+1+X'FTX+it?'s ?+ ???'??'FTX+??'UNT+4+1'UNZ+1+1'", 1, 1},
	"a released reference":               {"UNB+UNOC:3+A+B+261123:0600+1?+1'UNH+1?'+X'UNT+2+1?''UNZ+1+1?+1'", 1, 1},
	"level B":                            {"UNB\x1dUNOB\x1f1\x1dA\x1dB\x1d261123\x1f0600\x1d1\x1cUNH\x1d1\x1dX\x1cFTX\x1dit's ?\x1cUNT\x1d3\x1d1\x1cUNZ\x1d1\x1d1\x1c", 1, 1},
	"level B after a UNA of level A":     {"UNA:+.? '" + orders + "UNB\x1dUNOB\x1f1\x1dA\x1dB\x1d261123\x1f0600\x1d1\x1cUNH\x1d1\x1dX\x1cUNT\x1d2\x1d1\x1cUNZ\x1d1\x1d1\x1c", 2, 2},
	"groups":                             {"UNB+UNOA:1+A+B+261123:0600+9'UNG+INVOIC+A+B+261123:0600+G1+UN+D:96A'UNH+1+X'UNT+2+1'UNH+2+X'UNT+2+2'UNE+2+G1'UNG+X+A+B+261123:0600+G2+UN+1'UNH+1+X'UNT+2+1'UNE+1+G2'UNZ+2+9'", 1, 3},
	"two interchanges, the second a UNA": {orders + "\r\n" + "UNA|^,\\*~UNB^UNOC|3^A^B^261123|0600^15~UNH^1^X~UNT^2^1~UNZ^1^15~", 2, 2},
	"syntax 4, repetition, security":     {"UNA:+.?*'UNB+UNOW:4+A+B+20261123:0600+1'USH+1+1'UNH+1+X'FTX+a*b'UNT+3+1'UST+1+1'UNZ+1+1'", 1, 1},
	"a package":                          {"UNB+UNOC:4+A+B+20261123:0600+1'UNO+P1+AAA:1+X+12'%PDF'UNZ+1+1UNP+12+P1'UNH+1+X'UNT+2+1'UNZ+2+1'", 1, 2},
	"ISO 2022":                           {"UNB+UNOX:3+A+B+261123:0600+1'UNH+1+X'FTX+\x1b$B'7'?\x1b(B ok'UNT+3+1'UNZ+1+1'", 1, 1},
	"no message at all":                  {"UNB+UNOC:3+A+B+261123:0600+1'UNZ+0+1'", 1, 0},
	"control-Z at the end":               {orders + "\r\n\x1a", 1, 1},
	"zeros count as numbers":             {strings.ReplaceAll(orders, "UNZ+1+", "UNZ+000001+"), 1, 1},
	"a segment longer than any buffer":   {"UNB+UNOC:3+A+B+261123:0600+1'UNH+1+X'FTX+" + strings.Repeat("?'", 200_000) + "'UNT+3+1'UNZ+1+1'", 1, 1},

	"X12":                     {isa + "GS*PO*A*B*20261123*0600*7*X*004010~ST*850*0001~BEG*00*NE*4711~SE*3*0001~GE*1*7~IEA*1*000000014~", 1, 1},
	"X12, line by line":       {strings.ReplaceAll(isa+"GS*PO*A*B*20261123*0600*7*X*004010~ST*850*0001~SE*2*0001~GE*1*0007~IEA*1*000000014~", "~", "~\r\n"), 1, 1},
	"X12, lines are segments": {strings.ReplaceAll(isa+"GS*PO*A*B*20261123*0600*7*X*004010~ST*850*0001~SE*2*0001~GE*1*7~IEA*1*000000014~", "~", "\n"), 1, 1},
	"X12, other separators":   {strings.NewReplacer("*", "|", "~", "'").Replace(isa + "GS*PO*A*B*20261123*0600*7*X*004010~ST*850*0001~BEG*?~SE*3*0001~GE*1*7~IEA*1*000000014~"), 1, 1},
	"X12, acknowledgements":   {isa + "TA1*000000013*261122*0600*A*000~IEA*0*000000014~", 1, 0},
	"X12, two interchanges":   {isa + "GS*PO*A*B*20261123*0600*7*X*004010~ST*850*0001~SE*2*0001~ST*850*0002~SE*2*0002~GE*2*7~IEA*1*000000014~\n" + strings.ReplaceAll(isa, "*", "^") + "GS^PO^A^B^20261123^0600^8^X^004010~ST^850^1~SE^2^1~GE^1^8~IEA^1^000000014~", 2, 3},
	"X12, binary":             {isa + "GS*PO*A*B*20261123*0600*7*X*004010~ST*841*1~BIN*6*a~SE*b~BDS*ASB*3*~~~~SE*4*1~GE*1*7~IEA*1*000000014~", 1, 1},
}

func TestComplete(t *testing.T) {
	for name, c := range complete {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text))} {
			got, err := Check(r, 10)
			if err != nil || len(got.Faults) > 0 || got.Interchanges != c.interchanges || got.Messages != c.parts {
				t.Errorf("%s, %s: %v, %+v", name, how, err, got)
			}
		}
	}
}

// Whatever is cut off a file is noticed: no beginning of one interchange is complete.
func TestEveryBeginningIsIncomplete(t *testing.T) {
	for name, c := range complete {
		if c.interchanges > 1 || len(c.text) > 1000 {
			continue
		}
		whole := strings.TrimRight(c.text, "\r\n\x1a")
		if name == "the terminator is a line end" || name == "X12, lines are segments" {
			whole = c.text
		}
		for n := range len(whole) {
			got, err := Check(strings.NewReader(whole[:n]), 10)
			if err != nil || len(got.Faults) == 0 {
				t.Errorf("%s: %v, nothing is wrong with %q", name, err, whole[:n])
			}
		}
	}
}

// inISA puts transaction sets into an interchange of one group.
func inISA(s string) string {
	return isa + "GS*PO*A*B*20261123*0600*7*X*004010~" + s + "~GE*1*7~IEA*1*000000014~"
}

var incomplete = map[string]struct{ text, want string }{
	"segments are missing":       {strings.Replace(orders, "UNT+3", "UNT+24", 1), `segment 4 (UNT, byte 73): it counts 24 segments (UNH and UNT included), and there are 3`},
	"another message reference":  {strings.Replace(orders, "UNT+3+1", "UNT+3+2", 1), `segment 4 (UNT, byte 73): it has the reference "2", and UNH in segment 2 has "1"`},
	"another interchange":        {strings.Replace(orders, "UNZ+1+14", "UNZ+1+15", 1), `segment 5 (UNZ, byte 81): it has the reference "15", and UNB in segment 1 has "14"`},
	"messages are missing":       {strings.Replace(orders, "UNZ+1", "UNZ+2", 1), `segment 5 (UNZ, byte 81): it counts 2 messages, and there are 1`},
	"groups are missing":         {"UNB+UNOA:1+A+B+261123:0600+9'UNG+X+A+B+261123:0600+G1+UN+D:96A'UNE+0+G1'UNZ+2+9'", `segment 4 (UNZ, byte 72): it counts 2 groups, and there are 1`},
	"no number":                  {strings.Replace(orders, "UNT+3", "UNT+three", 1), `segment 4 (UNT, byte 73): it says "three" for the number of segments (UNH and UNT included), and there are 3`},
	"cut off":                    {orders[:70], `segment 3 (BGM, byte 58): the file ends in the middle of it, at byte 70: its terminator is missing; behind segment 3 (byte 70): the message "1", begun by UNH in segment 2, has no UNT before the end of the file; behind segment 3 (byte 70): the interchange "14", begun by UNB in segment 1, has no UNZ before the end of the file`},
	"no UNT":                     {strings.Replace(orders, "UNT+3+1'", "", 1), `segment 4 (UNZ, byte 73): the message "1", begun by UNH in segment 2, has no UNT before this UNZ`},
	"no UNT, and another UNH":    {strings.Replace(orders, "UNT+3+1'UNZ+1", "UNH+2+X'UNT+2+2'UNZ+2", 1), `segment 4 (UNH, byte 73): the message "1", begun by UNH in segment 2, has no UNT before this UNH`},
	"no UNH":                     {strings.Replace(orders, "UNH+1+ORDERS:D:96A:UN'", "", 1), `segment 2 (BGM, byte 36): it stands outside of any message: no UNH before it; segment 3 (UNT, byte 51): there is no message that it could end: no UNH before it; segment 4 (UNZ, byte 59): it counts 1 messages, and there are 0`},
	"no UNZ before the next UNB": {strings.Replace(orders, "UNZ+1+14'", "", 1) + orders, `segment 5 (UNB, byte 81): the interchange "14", begun by UNB in segment 1, has no UNZ before this UNB`},
	"something behind":           {orders + "NAD+BY'LIN+1'", `segment 6 (NAD, byte 90): it stands behind the end of the interchange`},
	"a message beside groups":    {"UNB+UNOA:1+A+B+261123:0600+9'UNG+X+A+B+261123:0600+G1+UN+D:96A'UNE+0+G1'UNH+1+X'UNT+2+1'UNZ+1+9'", `segment 4 (UNH, byte 72): a message outside of any group, in an interchange that has groups`},
	"no reference":               {strings.Replace(orders, "+14'UNH", "'UNH", 1), `segment 1 (UNB, byte 0): it has no reference; segment 5 (UNZ, byte 78): it has the reference "14", and UNB in segment 1 has ""`},
	"no syntax version":          {strings.Replace(orders, "UNOC:3", "UNOC:7", 1), `segment 1 (UNB, byte 0): its syntax version is "7", and there are 1 to 4`},
	"no syntax":                  {strings.Replace(orders, "UNOC:3", "", 1), `segment 1 (UNB, byte 0): it names no syntax, such as UNOC:3`},
	"UNA contradicts":            {"UNA:|.? '" + orders, `segment 2 (UNB, byte 9): '+' follows its tag, and by the UNA elements are separated by '|'`},
	"no UNA where one is needed": {strings.ReplaceAll(orders, "+", "|"), `segment 1 (UNB, byte 0): '|' follows its tag, and without a UNA elements are separated by '+'`},
	"UNA names one twice":        {"UNA::.? '" + orders, `segment 1 (UNA, byte 0): it names ':' as a separator, which is a letter, a digit, or another separator already: "UNA::.? '"`},
	"UNA and nothing":            {"UNA:+.? '\r\n", `behind segment 1 (byte 11): the file ends, and no interchange was begun`},
	"UNA at the end":             {orders + "UNA:+.? '", `behind segment 6 (byte 99): no UNB follows the UNA`},
	"UNA alone":                  {"UNA:+", `segment 1 (UNA, byte 0): the file ends in the middle of it: a UNA has 9 characters`},
	"byte order mark":            {"\xef\xbb\xbf" + orders, `byte 0: the file begins with a byte order mark (EF BB BF), which many programs take for a part of the first segment`},
	"UTF-16":                     {"\xff\xfeU\x00N\x00B\x00", `byte 0: the file begins with "\xff\xfeU\x00", and neither with UNA, UNB nor ISA: it is UTF-16, and envelopes have one byte for each character`},
	"nothing":                    {" \r\n", `byte 3: the file holds no interchange`},
	"another format":             {"STX=ANA:1+", `byte 0: the file begins with "STX=", and neither with UNA, UNB nor ISA`},
	"a package cut off":          {"UNB+UNOC:4+A+B+20261123:0600+1'UNO+P1+AAA:1+X+12'%PDF", `segment 2 (UNO, byte 31): its object has 12 bytes, and the file ends before`},
	"interactive":                {"UNB+UNOC:4+A+B+20261123:0600+1'UIH+X'", `segment 2 (UIH, byte 31): it belongs to interactive EDIFACT, which does not travel in files`},

	"X12, segments are missing":    {inISA("ST*850*0001~SE*9*0001"), `segment 4 (SE, byte 153): it counts 9 segments (ST and SE included), and there are 2`},
	"X12, another set":             {inISA("ST*850*0001~SE*2*0002"), `segment 4 (SE, byte 153): it has the reference "0002", and ST in segment 3 has "0001"`},
	"X12, sets are missing":        {inISA("TA1*1"), `segment 4 (GE, byte 147): it counts 1 transaction sets, and there are 0`},
	"X12, no GS":                   {isa + "ST*850*0001~SE*2*0001~IEA*0*000000014~", `segment 2 (ST, byte 106): a transaction set outside of any group (GS)`},
	"X12, another interchange":     {isa + "IEA*0*000000015~", `segment 2 (IEA, byte 106): it has the reference "000000015", and ISA in segment 1 has "000000014"`},
	"X12, groups are missing":      {isa + "IEA*1*000000014~", `segment 2 (IEA, byte 106): it counts 1 groups, and there are 0`},
	"X12, another group":           {strings.Replace(inISA("ST*850*0001~SE*2*0001"), "GE*1*7", "GE*1*17", 1), `segment 5 (GE, byte 163): it has the reference "17", and GS in segment 2 has "7"`},
	"X12, blanks were cut off":     {strings.Replace(isa, "SENDER         ", "SENDER", 1) + "IEA*0*000000014~", `segment 1 (ISA, byte 0): ISA06 is 6 characters long, and must have 15: blanks were cut off or added`},
	"X12, cut off in the ISA":      {isa[:50], `segment 1 (ISA, byte 0): the file ends in the middle of it: an ISA has 106 characters, here are 50`},
	"X12, no terminator":           {isa[:105] + "G" + "S*", `segment 1 (ISA, byte 0): 'G' stands where its terminator belongs, at character 106`},
	"X12, ISA16 is two characters": {isa[:105] + ":~", `segment 1 (ISA, byte 0): ':' stands where its terminator belongs, at character 106`},
	"X12, cut off":                 {inISA("ST*850*0001")[:150], `segment 3 (ST, byte 141): the file ends in the middle of it, at byte 150: its terminator is missing; behind segment 3 (byte 150): the group "7", begun by GS in segment 2, has no GE before the end of the file; behind segment 3 (byte 150): the interchange "000000014", begun by ISA in segment 1, has no IEA before the end of the file`},
	"X12, binary is shorter":       {inISA("ST*841*1~BIN*2*~~cd~SE*3*1"), `segment 4 (BIN, byte 150): its binary data of 2 bytes is followed by "c", not by the terminator`},
	"X12, no length":               {inISA("ST*841*1~BIN*x*~~~~~SE*3*1"), `segment 4 (BIN, byte 150): it says "x*" where the length of its binary data belongs`},
}

func TestIncomplete(t *testing.T) {
	for name, c := range incomplete {
		got, err := Check(strings.NewReader(c.text), 10)
		var texts []string
		for _, f := range got.Faults {
			texts = append(texts, f.String())
		}
		if text := strings.Join(texts, "; "); err != nil || text != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, text, c.want)
		}
	}
}

// The list of faults ends somewhere, and says how many there are besides.
func TestManyFaults(t *testing.T) {
	text := "UNB+UNOC:3+A+B+261123:0600+1'" + strings.Repeat("UNH+1+X'UNT+3+1'", 1000) + "UNZ+1000+1'"
	got, err := Check(strings.NewReader(text), 20)
	if err != nil || len(got.Faults) != 20 || got.More != 980 {
		t.Errorf("%v, %d faults and %d more", err, len(got.Faults), got.More)
	}
}

// A file that cannot be read is no incomplete one.
func TestFileThatCannotBeRead(t *testing.T) {
	broken := errors.New("the disk is gone")
	for n := range len(orders) {
		got, err := Check(io.MultiReader(strings.NewReader(orders[:n]), iotest.ErrReader(broken)), 10)
		if !errors.Is(err, broken) || len(got.Faults) > 0 {
			t.Errorf("after %d bytes: %v, %+v", n, err, got.Faults)
		}
	}
	text := isa + "GS*PO*A*B*20261123*0600*7*X*004010~ST*841*1~BIN*6*a~SE*b~"
	for n := range len(text) {
		got, err := Check(io.MultiReader(strings.NewReader(text[:n]), iotest.ErrReader(broken)), 10)
		if !errors.Is(err, broken) || len(got.Faults) > 0 {
			t.Errorf("X12, after %d bytes: %v, %+v", n, err, got.Faults)
		}
	}
}

// A file of any size takes no more memory than a small one: 40 MB in one segment, and in
// as many as fit.
func TestConstantMemory(t *testing.T) {
	long := io.MultiReader(strings.NewReader("UNB+UNOC:3+A+B+261123:0600+1'UNH+1+X'FTX+"), &repeat{[]byte("?'?+abcdefgh"), 40 << 20}, strings.NewReader("'UNT+3+1'UNZ+1+1'"))
	const n = 500_000
	many := io.MultiReader(strings.NewReader("UNB+UNOC:3+A+B+261123:0600+1'UNH+1+X'"), &repeat{[]byte("LIN+1+ABCDEFGHIJ'"), 17 * n}, strings.NewReader(fmt.Sprintf("UNT+%d+1'UNZ+1+1'", n+2)))
	for name, r := range map[string]io.Reader{"one segment": long, "many": many} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := Check(r, 10)
		runtime.ReadMemStats(&after)
		if err != nil || len(got.Faults) > 0 || got.Messages != 1 {
			t.Errorf("%s: %v %+v", name, err, got)
		}
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 16<<20 {
			t.Errorf("%s: the heap grew by %d bytes", name, grown)
		}
	}
}

// repeat is so many bytes of a pattern.
type repeat struct {
	pattern []byte
	left    int
}

func (r *repeat) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n+len(r.pattern) <= len(b) && r.left >= len(r.pattern) {
		n += copy(b[n:], r.pattern)
		r.left -= len(r.pattern)
	}
	if r.left < len(r.pattern) {
		r.left = 0
	}
	return n, nil
}

func TestFormatOf(t *testing.T) {
	for head, want := range map[string]Format{"UNA:+.? '": EDIFACT, "UNB+UNOC": EDIFACT, "\r\n UNB\x1dUNOB": EDIFACT, "\xef\xbb\xbfUNB+": EDIFACT, "ISA*00*": X12, "ISAAC;Newton": None, "UNBOUND,1": None, "": None, "<xml>": None, "ISA": None} {
		if got := FormatOf([]byte(head)); got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
}
