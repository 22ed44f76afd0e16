//go:build linux

package bench

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	pages "github.com/as2drop/as2drop/internal/bench/page"
)

var (
	update = flag.Bool("update", false, "write the tables into docs/performance.md")
	sizes  = flag.String("sizes", "1000,10000,100000", "documents of BenchmarkBacklog")
	crowds = flag.String("partners", "10,100,1000", "partners of BenchmarkIdle")

	documents = flag.Int("documents", 1000, "documents of BenchmarkPair")
	large     = flag.Int64("large", 1<<30, "bytes of BenchmarkLarge; BenchmarkTenfold takes ten times as many too")
)

const pageFile = "../../docs/performance.md"

// page prints a table and, if asked to, puts it between its markers on the page.
func page(t testing.TB, name, table string) {
	t.Helper()
	if t.Failed() {
		return
	}
	fmt.Println(table)
	if !*update {
		return
	}
	must(t, pages.Write(pageFile, "bench", name, table))
}

func numbers(t testing.TB, list string) (all []int) {
	t.Helper()
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		must(t, err)
		all = append(all, n)
	}
	return all
}

// All tables have their place on the page, and nothing else of it changes.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(pageFile)
	must(t, err)
	for _, name := range []string{"small", "large", "tenfold", "backlog", "idle", "latency", "million"} {
		once, err := pages.Replace(string(text), "bench", name, "| new |\n")
		must(t, err)
		twice, err := pages.Replace(once, "bench", name, "| new |\n")
		if err != nil || twice != once || !strings.Contains(once, "| new |") {
			t.Errorf("%s: written twice it is another page (%v)", name, err)
		}
		before, _, _ := strings.Cut(string(text), pages.Marker("bench", name))
		_, after, _ := strings.Cut(string(text), pages.Marker("bench", "end of "+name))
		if !strings.HasPrefix(once, before) || !strings.HasSuffix(once, after) {
			t.Errorf("%s: more than the table has changed", name)
		}
	}
	if _, err := pages.Replace(string(text), "bench", "nothing", ""); err == nil {
		t.Error("a table without a place was written somewhere")
	}
}
