package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

func setString[T any](field func(*T) *string) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		if s, ok := d.scalar(n, path, "text"); ok {
			*field(v) = s
		}
	}
}

func setStrings[T any](field func(*T) *[]string) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		*field(v) = nil
		list(d, n, path, func(item *yaml.Node, at string) {
			if s, ok := d.scalar(item, at, "text"); ok {
				*field(v) = append(*field(v), s)
			}
		})
	}
}

func setBool[T any](field func(*T) *bool) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		s, ok := d.scalar(n, path, "true or false")
		if !ok {
			return
		}
		if s != "true" && s != "false" {
			d.fail(n.Line, path, "", "must be true or false, is %q", s)
			return
		}
		*field(v) = s == "true"
	}
}

func setInt[T any](least, most int, field func(*T) *int) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		s, ok := d.scalar(n, path, "a number")
		if !ok {
			return
		}
		i, err := strconv.Atoi(s)
		if err != nil || i < least || i > most {
			d.fail(n.Line, path, "", "must be a whole number from %d to %d, is %q", least, most, s)
			return
		}
		*field(v) = i
	}
}

func setFloat[T any](least, most float64, field func(*T) *float64) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		s, ok := d.scalar(n, path, "a number")
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !(f >= least && f <= most) {
			d.fail(n.Line, path, "", "must be a number from %v to %v, is %q", least, most, s)
			return
		}
		*field(v) = f
	}
}

func setDuration[T any](least time.Duration, field func(*T) *time.Duration) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		s, ok := d.scalar(n, path, "a duration")
		if !ok {
			return
		}
		t, err := parseDuration(s)
		if err != nil || t < least {
			d.fail(n.Line, path, "write for example 90s, 15m, 24h or 7d", "must be a duration of %v or more, is %q", least, s)
			return
		}
		*field(v) = t
	}
}

// parseDuration also takes days, which the standard library does not.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	return time.ParseDuration(s)
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

func setSize[T any](least int64, field func(*T) *int64) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		s, ok := d.scalar(n, path, "a size")
		if !ok {
			return
		}
		for _, u := range sizeUnits {
			number, ok := strings.CutSuffix(s, u.suffix)
			if !ok {
				continue
			}
			if i, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64); err == nil && i >= 0 && i < 1<<62/u.bytes && i*u.bytes >= least {
				*field(v) = i * u.bytes
				return
			}
			break
		}
		d.fail(n.Line, path, "write for example 500KiB, 64MiB or 2GiB", "must be a size with its unit%s, is %q", atLeast(least), s)
	}
}

func atLeast(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf(", %d B or more", bytes)
}

func setChoice[T any](field func(*T) *string, choices ...string) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		s, ok := d.scalar(n, path, "one of "+strings.Join(choices, ", "))
		if !ok {
			return
		}
		if !slices.Contains(choices, s) {
			d.fail(n.Line, path, nearest(s, choices), "must be one of %s, is %q", strings.Join(choices, ", "), s)
			return
		}
		*field(v) = s
	}
}

// didYouMean suggests the nearest of the known words, or else all of them.
func didYouMean(word string, known []string) string {
	if hint := nearest(word, known); hint != "" || len(known) == 0 {
		return hint
	}
	return "known are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// nearest suggests a known word that differs in a letter or two.
func nearest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// editDistance counts insertions, deletions and replacements.
func editDistance(a, b string) int {
	if len(a) > 2*len(b)+8 {
		return len(a) // far off, and perhaps very long
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
