package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/checks"
	"github.com/as2drop/as2drop/internal/embedded"
	"github.com/as2drop/as2drop/naming"
	"github.com/as2drop/as2drop/outbox"
)

type tryCmd struct {
	configFlag
	Partner string   `arg:"" help:"The partner that the files are for."`
	Files   []string `arg:"" help:"The files as they would be dropped, wherever they lie."`
	JSON    bool     `help:"As JSON."`
}

func (c *tryCmd) Help() string {
	return `Says which of the files would travel together, whether they fit into the form that the partner wants (outbox.bundle), and what outbox.checks finds in them; hooks are not asked. Nothing is dropped, sent or changed; neither a ledger nor a running agent is needed. What the outbox holds already, and what was sent lately, is not looked at.

Exit code 0: all of them would be sent, perhaps with a warning; 3: a batch would be refused, or a file would wait.

Examples:
  as2drop try acme INV-1001.xml INV-1001_scan.pdf
  as2drop try acme /erp/out/* --json`
}

// tried is what would become of one batch.
type tried struct {
	Document    string           `json:"document"`
	Attachments []string         `json:"attachments"`
	Refused     bool             `json:"refused"`
	Fault       string           `json:"fault,omitempty"` // why the form cannot be made
	Next        string           `json:"next,omitempty"`
	Findings    []checks.Finding `json:"findings"`
	More        int              `json:"more,omitempty"`
}

// trial is what would become of all files.
type trial struct {
	Partner string           `json:"partner"`
	Batches []tried          `json:"batches"`
	Waiting []naming.Waiting `json:"waiting"`
}

func (c *tryCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	var p *config.Partner
	for _, other := range cfg.Partners {
		if other.Name == c.Partner {
			p = other
		}
	}
	if p == nil {
		return noPartner(cfg, c.Partner)
	}
	result, err := c.try(p)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(g.out, result)
	} else {
		result.print(g)
	}
	bad := len(result.Waiting)
	for _, b := range result.Batches {
		if b.Refused {
			bad++
		}
	}
	if err == nil && bad > 0 {
		return exit{exitFindings, errors.New("not everything would be sent")}
	}
	return err
}

func (c *tryCmd) try(p *config.Partner) (result trial, err error) {
	result = trial{Partner: p.Name, Batches: []tried{}}
	paths, sizes := map[string]string{}, map[string]int64{}
	var listing naming.Listing
	for _, file := range c.Files {
		info, err := os.Stat(file)
		if err != nil {
			return result, err
		}
		name := filepath.Base(file)
		if other, ok := paths[name]; ok {
			return result, fmt.Errorf("%s and %s would have one name in the outbox", other, file)
		}
		paths[name], sizes[name] = file, info.Size()
		listing.Files = append(listing.Files, naming.File{Name: name, Size: info.Size(), Dir: info.IsDir(), Unchanged: time.Duration(math.MaxInt64)})
	}
	reading := p.Rules.Read(len(listing.Files), slices.Values(listing.Files))
	if err := refer(reading, paths); err != nil {
		return result, err
	}
	batches, waiting := reading.Group(nil)
	result.Waiting = append([]naming.Waiting{}, waiting...)
	for _, b := range batches {
		var files []checks.File
		for _, name := range append([]string{b.Document}, b.Attachments...) {
			files = append(files, checks.File{Name: name, Document: name == b.Document, Size: sizes[name], Open: func() (io.ReadCloser, error) { return os.Open(paths[name]) }})
		}
		report, err := p.Outbox.Checks.Rules.Batch(context.Background(), files)
		if err != nil {
			return result, err
		}
		t := tried{Document: b.Document, Attachments: append([]string{}, b.Attachments...), Refused: report.Refused, Findings: append([]checks.Finding{}, report.Findings...), More: report.More}
		if len(b.Attachments) > 0 {
			if err := t.form(p, paths); err != nil {
				return result, err
			}
		}
		result.Batches = append(result.Batches, t)
	}
	return result, nil
}

// refer reads the documents that have to say what travels with them.
func refer(reading *naming.Reading, paths map[string]string) error {
	read := map[string]naming.Named{}
	for _, name := range reading.Unread() {
		f, err := os.Open(paths[name])
		if err != nil {
			return err
		}
		read[name], err = outbox.ReadNamed(name, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	reading.Refer(read)
	return nil
}

// form finds out whether the batch has the form in which it would travel.
func (t *tried) form(p *config.Partner, paths map[string]string) error {
	switch outbox.Bundle(p.Outbox.Bundle) {
	case outbox.BundleNever:
		t.Refused, t.Fault, t.Next = true, outbox.NoForm, "choose another form for outbox.bundle; see docs/forms"
	case outbox.BundleEmbedded:
		f, err := os.Open(paths[t.Document])
		if err != nil {
			return err
		}
		defer f.Close() // opened for reading: nothing can be lost
		_, err = embedded.NewPlan(f, t.Attachments)
		var fault *embedded.Error
		if !errors.As(err, &fault) {
			return err
		}
		t.Refused, t.Fault, t.Next = true, fmt.Sprintf("%q cannot take its attachments: %s", t.Document, fault), fault.Next
	}
	return nil
}

func (r *trial) print(g *globals) {
	for _, b := range r.Batches {
		what := "would be sent to"
		if b.Refused {
			what = "would be refused for"
		}
		fmt.Fprintf(g.out, "%s %s %s\n", strings.Join(append([]string{b.Document}, b.Attachments...), ", "), what, r.Partner)
		if b.Fault != "" {
			fmt.Fprintf(g.out, "  %s\n          -> %s\n", b.Fault, b.Next)
		}
		for _, f := range b.Findings {
			fmt.Fprintf(g.out, "  %-7s %s\n          -> %s\n", f.Effect, f, f.Next)
		}
		if b.More > 0 {
			fmt.Fprintf(g.out, "  and %d more\n", b.More)
		}
	}
	for _, w := range r.Waiting {
		fmt.Fprintf(g.out, "%s would wait: %s\n", w.Name, w.Text)
	}
}
