package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/as2drop/as2drop/internal/views"
)

// printJSON prints one value, indented.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// yamlPath is a path as one writes it in a config: with slashes, which Windows takes
// too, because in YAML a backslash between double quotes begins an escape.
func yamlPath(path string) string { return strconv.Quote(filepath.ToSlash(path)) }

// table prints rows in columns.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		for i, cell := range r {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, cell)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// when prints a moment for people.
func when(t time.Time) string { return views.When(t) }
