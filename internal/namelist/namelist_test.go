package namelist

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// made is a list of what a map holds.
func made(m map[string]Numbers) *List {
	var s Sorter
	for name, numbers := range m {
		s.Add(name, numbers)
	}
	return Collect(s.Sorted())
}

// content is what a list holds.
func content(l *List, from, end int) (names []string, m map[string]Numbers) {
	m = map[string]Numbers{}
	for name, numbers := range l.All(from, end) {
		names = append(names, string(name))
		m[string(name)] = numbers
	}
	return names, m
}

var (
	anyName = rapid.OneOf(rapid.StringMatching(`[ab]{0,3}[0-9]{0,3}(\.xml)?`), rapid.String(), rapid.StringN(200, 300, -1))
	number  = rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}))
	some    = rapid.MapOfN(anyName, rapid.Custom(func(t *rapid.T) (n Numbers) {
		for i := range n {
			n[i] = number.Draw(t, "number")
		}
		return n
	}), 0, perBlock)
)

// A list holds what was put into it, as a sorted map would, however it is asked.
func TestListIsASortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := some.Draw(t, "content")
		for i := range rapid.IntRange(0, 5*perBlock).Draw(t, "more") {
			want[fmt.Sprintf("a%03d.xml", i)] = Numbers{int64(i)}
		}
		sorted := slices.Sorted(maps.Keys(want))
		l := made(want)
		if l.Len() != len(want) {
			t.Fatalf("%d names of %d", l.Len(), len(want))
		}
		if names, got := content(l, 0, l.Len()); !slices.Equal(names, sorted) || !maps.Equal(got, want) {
			t.Fatalf("%q: %v, want %q: %v", names, got, sorted, want)
		}
		from := rapid.IntRange(0, len(want)).Draw(t, "from")
		end := rapid.IntRange(from, len(want)).Draw(t, "end")
		if names, _ := content(l, from, end); !slices.Equal(names, sorted[from:end]) {
			t.Fatalf("from %d to %d: %q, want %q", from, end, names, sorted[from:end])
		}
		name := l.Names()
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, max(0, len(want)-1)), 0, 20).Draw(t, "places") {
			if len(want) > 0 && name(i) != sorted[i] {
				t.Fatalf("number %d is %q, want %q", i, name(i), sorted[i])
			}
		}
		asked := append(rapid.SliceOf(anyName).Draw(t, "others"), sorted...)
		slices.Sort(asked)
		walk := l.Walk()
		for _, name := range asked {
			numbers, has := want[name]
			if got, ok := l.Find(name); ok != has || got != numbers {
				t.Fatalf("%q: found %v, %v; want %v, %v", name, got, ok, numbers, has)
			}
			if got, ok := walk.To([]byte(name)); ok != has || got != numbers {
				t.Fatalf("%q: came to %v, %v; want %v, %v", name, got, ok, numbers, has)
			}
		}
	})
}

// Whatever comes twice, near each other or far apart, is there once, with the least numbers.
// Whoever stops reading gets no more.
func TestSorterOfManyRuns(t *testing.T) {
	const n = 3*runLength + 100
	var s Sorter
	for round := range 2 {
		for i := range n {
			k := i * 7919 % n // n is no multiple of it
			s.Add(fmt.Sprintf("INV-%06d.xml", k), Numbers{int64(k), int64(1 - round)})
			if k%1000 == 0 {
				s.Add(fmt.Sprintf("INV-%06d.xml", k), Numbers{int64(k), int64(5)})
			}
		}
	}
	l := Collect(s.Sorted())
	if names, _ := content(l, 0, n); l.Len() != n || !slices.IsSorted(names) {
		t.Fatalf("%d names, want %d", l.Len(), n)
	}
	for i := range n {
		if got, ok := l.Find(fmt.Sprintf("INV-%06d.xml", i)); !ok || got != (Numbers{int64(i), 0}) {
			t.Fatalf("%d: %v, %v", i, got, ok)
		}
	}
	if again := Collect(s.Sorted()); again.Len() != 0 {
		t.Errorf("%d names are left in the sorter", again.Len())
	}
	s.Add("a", Numbers{})
	s.Add("b", Numbers{})
	for name := range s.Sorted() {
		if string(name) != "a" {
			t.Errorf("%q after the end", name)
		}
		break
	}
}

// What a list takes is little, whatever the length of what the names have in common. The bytes
// are counted.
func TestMemoryOfAName(t *testing.T) {
	const n = 20_000
	for format, most := range map[string]int{"INV-%06d.xml": 18, "ORDERS_4012345000009_4098765000002_20261126_%06d.edi": 20} {
		var s Sorter
		for i := range n {
			s.Add(fmt.Sprintf(format, i*7919%n), Numbers{1_764_000_000_000_000_000 + int64(i)*123_456_789, 4_000 + int64(i)%700, 3, 0})
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		l := Collect(s.Sorted())
		s = Sorter{}
		var bytes int
		for _, b := range l.blocks {
			bytes += cap(b) + 24
		}
		runtime.ReadMemStats(&after)
		t.Logf("%s: %d bytes each; %d allocated in the merge", format, bytes/n, (after.TotalAlloc-before.TotalAlloc)/n)
		if bytes/n > most || int(after.TotalAlloc-before.TotalAlloc)/n > 2*most {
			t.Errorf("%s: %d bytes for each name, %d allocated", format, bytes/n, (after.TotalAlloc-before.TotalAlloc)/n)
		}
	}
}

func BenchmarkSorter(b *testing.B) {
	const n = 100_000
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("INV-%06d.xml", i*7919%n)
	}
	for b.Loop() {
		var s Sorter
		for i, name := range names {
			s.Add(name, Numbers{int64(i) * 1_000_000, 1_000, 1})
		}
		Collect(s.Sorted())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/name")
}
