package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/evidence"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/inspection"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/naming"
)

type inspectCmd struct {
	keyFlags
	File    string   `arg:"" help:"The captured HTTP request or answer, its header alone, or a folder of .evidence."`
	Body    string   `arg:"" optional:"" help:"The body, if it is in a file of its own."`
	Config  string   `short:"c" env:"AS2DROP_CONFIG" placeholder:"FILE" help:"Take keys and certificates from this config. Also: $$AS2DROP_CONFIG."`
	Trust   []string `placeholder:"FILE" help:"Certificates that the signer may have."`
	Receipt string   `placeholder:"FILE" help:"A receipt for this message, header and body: compare the MICs."`
	All     bool     `help:"Show every known way to compute the MIC."`
	Out     string   `placeholder:"FOLDER" help:"Write the files of the message into this folder."`
	JSON    bool     `help:"As JSON."`
}

func (c *inspectCmd) Help() string {
	return `Takes a raw AS2 message or receipt apart: every layer, its algorithms and signer, the files, the MIC under each digest, what a station would answer and why. With --receipt it also says whether the receipt is for these bytes and, if not, which known way to compute the MIC the other side has used. Nothing is sent and the ledger is not asked.

A capture is an HTTP request or answer as it went over the wire, in one file, or header and body in two. A folder of .evidence stands for the message that it is about.

Exit codes: 0 a station would accept it; 1 it could not be read; 2 the command line or the config is wrong; 3 it would be refused, or the receipt proves nothing.

Examples:
  as2drop inspect -c config.yaml var/partners/acme/.evidence/06fn2z
  as2drop inspect capture.http --key our.key --certificate our.pem --trust theirs.pem
  as2drop inspect headers.txt body --key our.p12 --password-file our.password
  as2drop inspect capture.http -c config.yaml --receipt answer.http --json`
}

func (c *inspectCmd) Run(g *globals) error {
	k, err := c.keys(g)
	if err != nil {
		return exit{exitUsage, err}
	}
	spools, remove, err := temporary()
	if err != nil {
		return err
	}
	defer remove()
	k.At, k.Spool = g.now(), func() (cms.Spool, error) { return spools.next() }
	report, err := c.inspect(k)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(g.out, report)
	} else {
		report.Print(g.out, c.All)
	}
	if err == nil && !report.Sound() {
		return exit{exitFindings, errSilent}
	}
	return err
}

func (c *inspectCmd) inspect(k inspection.Keys) (*inspection.Report, error) {
	raw, closeAll, err := c.message()
	if err != nil {
		return nil, err
	}
	defer closeAll()
	save, err := c.sink()
	if err != nil {
		return nil, err
	}
	var report *inspection.Report
	if c.Receipt == "" {
		report, err = inspection.Inspect(raw, k, save)
	} else {
		var receipt *inspection.Raw
		var closeReceipt func()
		if receipt, closeReceipt, err = capture(c.Receipt, ""); err != nil {
			return nil, err
		}
		defer closeReceipt()
		report, err = inspection.Compare(raw, receipt, k, save)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return report, nil
}

// message opens what is inspected: a capture, or what a folder of evidence is about.
func (c *inspectCmd) message() (*inspection.Raw, func(), error) {
	if info, err := os.Stat(c.File); err != nil || !info.IsDir() {
		return capture(c.File, c.Body)
	}
	if c.Body != "" {
		return nil, nil, exit{exitUsage, fmt.Errorf("%s is a folder of evidence, which has its body; leave %s out", c.File, c.Body)}
	}
	folder, err := fsx.OpenRoot(c.File)
	if err != nil {
		return nil, nil, err
	}
	header, body, err := evidence.Message(folder, ".")
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the message was not kept")
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", c.File, err), folder.Close())
	}
	closeAll := func() {
		body.Close() // opened for reading: nothing can be lost
		folder.Close()
	}
	raw, err := inspection.Read(bytes.NewReader(header), body)
	if err != nil {
		closeAll()
		return nil, nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return raw, closeAll, nil
}

// capture opens header and body, from one file or two.
func capture(header, body string) (*inspection.Raw, func(), error) {
	var open []*os.File
	closeAll := func() {
		for _, f := range open {
			f.Close() // opened for reading: nothing can be lost
		}
	}
	var readers [2]io.Reader
	for i, name := range []string{header, body} {
		if name == "" {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		open = append(open, f)
		readers[i] = f
	}
	raw, err := inspection.Read(readers[0], readers[1])
	if err != nil {
		closeAll()
		return nil, nil, fmt.Errorf("%s: %w", header, err)
	}
	return raw, closeAll, nil
}

// sink writes files of the message into --out; names are made safe, nothing is
// overwritten.
func (c *inspectCmd) sink() (as2.Sink, error) {
	if c.Out == "" {
		return nil, nil
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return nil, err
	}
	return func(p as2.Part) (io.WriteCloser, error) {
		name := naming.Safe(p.Filename)
		if p.Filename == "" {
			name = fmt.Sprintf("file-%d", p.Index+1)
		}
		f, err := os.OpenFile(filepath.Join(c.Out, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%s is there already and nothing is overwritten; name another folder with --out", filepath.Join(c.Out, name))
		}
		if err != nil {
			return nil, err
		}
		return f, nil
	}, nil
}

// keys gathers what the command line names.
func (c *inspectCmd) keys(g *globals) (inspection.Keys, error) {
	var k inspection.Keys
	ids, err := c.identities(g)
	if err != nil {
		return k, err
	}
	k.Identities = ids
	var named cms.Trust
	for _, file := range c.Trust {
		certs, err := keys.Certificates(file)
		if err != nil {
			return k, err
		}
		named.Certificates = append(named.Certificates, certs...)
	}
	k.Trust = func(string) cms.Trust { return named }
	if c.Config == "" {
		return k, nil
	}
	cfg, err := config.Load(c.Config, g.now())
	if err != nil {
		return k, err
	}
	configured := configKeys(cfg)
	k.Identities = append(k.Identities, configured.Identities...)
	if len(c.Trust) == 0 {
		k.Trust = configured.Trust
	}
	return k, nil
}

// configKeys are the keys of all stations, and whose signatures count for an AS2 name:
// partners' and our own, so that what we sent can be looked at too.
func configKeys(cfg *config.Config) inspection.Keys {
	var k inspection.Keys
	trust := map[string]cms.Trust{}
	add := func(name string, more cms.Trust) {
		t := trust[name]
		t.Certificates = append(t.Certificates, more.Certificates...)
		if len(more.Authorities) > 0 {
			t.Authorities, t.Subject = more.Authorities, more.Subject
		}
		trust[name] = t
	}
	for _, s := range cfg.Stations {
		for _, pair := range s.Keys {
			k.Identities = append(k.Identities, cms.Identity{Certificate: pair.Certificate, Key: pair.Key})
			add(s.AS2ID, cms.Pinned(pair.Certificate))
		}
	}
	for _, p := range cfg.Partners {
		add(p.AS2ID, p.Signers())
	}
	k.Trust = func(name string) cms.Trust { return trust[strings.TrimSpace(name)] }
	return k
}
