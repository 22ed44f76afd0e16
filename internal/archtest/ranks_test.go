// Package archtest holds the shape of the program: which package may import which.
//
// Every package has a rank, and an arrow points only to a lower one, so there are no
// cycles and no sideways calls to look for. Some third-party modules may be imported by
// one package alone, and some packages may not know certain others at all: naming knows
// no disk, cms and as2 know no files, outbox and inbox no YAML. What the tree really does
// is written down in imports.golden, one block per package, so that a new arrow or a new
// dependency shows in a review. Rewrite it with
//
//	go test ./internal/archtest -update
//
// The test looks at what is compiled into the program on Linux and on Windows. Imports of
// test files are free.
package archtest

// module is the path that all our import paths begin with.
const module = "github.com/as2drop/as2drop"

// ranks gives each package its place. A package that is not here fails the test: whoever
// adds one also says in DESIGN.md what it is for.
func ranks() map[string]int {
	return map[string]int{
		"naming":              0,
		"cms":                 0,
		"internal/fsx":        0,
		"internal/pipeline":   0,
		"internal/schedule":   0,
		"internal/failpoint":  0,
		"internal/xmlstream":  0,
		"internal/access":     0,
		"internal/envelope":   0,
		"internal/filetype":   0,
		"internal/roff":       0,
		"internal/plain":      0,
		"internal/readable":   0,
		"internal/namelist":   0,
		"internal/completion": 0,
		"internal/manual":     1,
		"testdata/ubl":        0,
		"internal/bundle":     1,
		"internal/checks":     1,
		"internal/keys":       1,
		"internal/embedded":   1,
		"internal/logfile":    1,
		"internal/journal":    1,
		"internal/accounts":   1,
		"internal/service":    1,
		"as2":                 1,
		"ledger":              1,
		"config":              2,
		"internal/inspection": 2,
		"internal/hooks":      2,
		"internal/status":     2,
		"internal/evidence":   3,
		"outbox":              2,
		"inbox":               2,
		"internal/agenda":     3,
		"internal/card":       3,
		"internal/logs":       3,
		"internal/walk":       3,
		"web/metrics":         3,
		"internal/alarms":     3,
		"internal/views":      4,
		"web/api":             5,
		"web":                 6,
		"agent":               7,
		"cmd/as2drop":         8,

		// From here on nothing is part of the program. The ranks above cannot point to these.
		"internal/simdisk":           firstTestRank,
		"internal/crashtest":         firstTestRank + 1,
		"internal/testpartner":       firstTestRank + 1,
		"internal/largeledger":       firstTestRank + 1,
		"internal/peers":             firstTestRank + 1,
		"internal/archtest":          firstTestRank + 2,
		"internal/judges":            firstTestRank + 2,
		"internal/conformance":       firstTestRank + 2,
		"internal/vectors":           firstTestRank + 2,
		"internal/interop":           firstTestRank + 2,
		"internal/soak":              firstTestRank + 2,
		"internal/bench":             firstTestRank + 2,
		"internal/benchpeers":        firstTestRank + 2,
		"internal/bench/page":        firstTestRank + 1,
		"internal/browsertest":       firstTestRank + 2,
		"internal/ci/release":        firstTestRank + 2,
		"internal/ci/samples":        firstTestRank + 2,
		"internal/ci/upgrades":       firstTestRank + 2,
		"internal/ci/keys":           firstTestRank + 2,
		"internal/ci/signvectors":    firstTestRank + 2,
		"internal/ci/messagevectors": firstTestRank + 2,
		"testdata/keys":              firstTestRank,
	}
}

// firstTestRank is the lowest rank of packages that exist for tests and tools.
const firstTestRank = 90

// sole names the modules that one package alone, or a few, may import, and the packages. Packages from
// firstTestRank on are free: internal/simdisk puts itself under SQLite.
func sole() map[string]string {
	return map[string]string{
		"github.com/fsnotify/fsnotify":       "agent",
		"github.com/robfig/cron/v3":          "internal/schedule",
		"go.mozilla.org/pkcs7":               "internal/keys",
		"software.sslmate.com/src/go-pkcs12": "internal/keys",
		"modernc.org/sqlite":                 "ledger",
		"go.yaml.in/yaml/v3":                 "config",
		"golang.org/x/crypto":                "internal/accounts cmd/as2drop",
		"github.com/alecthomas/kong":         "cmd/as2drop internal/manual internal/completion",
	}
}

// never names what a package must not import although its rank would allow it.
func never() map[string][]string {
	return map[string][]string{
		"naming":            {"os", "io/fs", "path/filepath", "net", "net/http"},
		"cms":               {"os", "io/fs", "path/filepath", "net", "net/http"},
		"as2":               {"os", "io/fs", "path/filepath", module + "/internal/fsx", module + "/internal/bundle"},
		"internal/envelope": {"os", "io/fs", "path/filepath"},
		"internal/filetype": {"os", "io/fs", "path/filepath"},
		"internal/checks":   {"os", "io/fs", "path/filepath", module + "/internal/fsx"},
		"ledger":            {module + "/internal/bundle", module + "/cms"},
		"outbox":            {"os", "database/sql", module + "/internal/schedule"},
		"inbox":             {"os", "database/sql", module + "/internal/schedule"},
	}
}
