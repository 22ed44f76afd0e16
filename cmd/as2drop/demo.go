package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/testdata/ubl"
)

type demoCmd struct {
	Keep bool   `help:"Leave both agents running, to try things by hand."`
	Dir  string `help:"Where to work; a new temporary folder by default." placeholder:"DIR"`
}

func (c *demoCmd) Help() string {
	return `Two agents of this program, supplier and buyer, exchange real documents over HTTPS on loopback: an invoice with two attachments, an order without any, and an invoice that the buyer refuses. Exit code 0 only if all of it happened.

Examples:
  as2drop demo
  as2drop demo --keep`
}

// demoTimeout bounds every wait of the demo.
const demoTimeout = 90 * time.Second

// demo is a running demonstration.
type demo struct {
	g       *globals
	dir     string
	program string
	ports   map[string]string
	ctx     context.Context
	agents  []*exec.Cmd
}

func (c *demoCmd) Run(g *globals) (err error) {
	d := &demo{g: g, dir: c.Dir, ports: map[string]string{}}
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "as2drop-demo-"); err != nil {
			return err
		}
		if !c.Keep {
			defer func() {
				if err == nil {
					err = os.RemoveAll(d.dir)
				} else {
					fmt.Fprintf(g.out, "\nEverything is still in %s to look at.\n", d.dir)
				}
			}()
		}
	}
	if d.program, err = os.Executable(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	limited, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	d.ctx = limited
	defer d.stop()
	if err := d.story(); err != nil {
		return fmt.Errorf("the demo did not go as it should: %w", err)
	}
	if c.Keep {
		d.keep(ctx)
	}
	return nil
}

// step prints a line of the story.
func (d *demo) step(format string, args ...any) {
	fmt.Fprintf(d.g.out, "\n* "+format+"\n", args...)
}

func (d *demo) story() error {
	fmt.Fprintln(d.g.out, "as2drop demo: a supplier and a buyer, each with an agent of its own.")
	if err := d.prepare(); err != nil {
		return err
	}
	d.step("Both agents start. They talk HTTPS on loopback, sign with SHA-256, encrypt with AES-256 and ask for signed receipts.")
	for _, side := range []string{"supplier", "buyer"} {
		if err := d.start(side); err != nil {
			return err
		}
		fmt.Fprintf(d.g.out, "  %-9s https://127.0.0.1:%s/as2\n", side, d.ports[side])
	}

	d.step("The supplier's ERP drops an invoice (UBL 2.1) with two attachments, which travel in a zip; the buyer's drops an order (EDIFACT) with one, as parts of one message:")
	if err := d.drop("supplier", "buyer", "INV-2026-1001.xml", "INV-2026-1001_timesheet.pdf", "INV-2026-1001_photo.png"); err != nil {
		return err
	}
	if err := d.drop("buyer", "supplier", "ORD-77120.edi", "ORD-77120_delivery.pdf"); err != nil {
		return err
	}
	if err := d.delivered("supplier", "buyer", "INV-2026-1001", "INV-2026-1001.xml", "INV-2026-1001_timesheet.pdf", "INV-2026-1001_photo.png"); err != nil {
		return err
	}
	if err := d.delivered("buyer", "supplier", "ORD-77120", "ORD-77120.edi", "ORD-77120_delivery.pdf"); err != nil {
		return err
	}

	d.step("A third batch goes to the buyer's test station. It demands encryption, the supplier was set to sign only:")
	if err := d.drop("supplier", "buyer-test", "INV-2026-1002.xml", "INV-2026-1002_terms.pdf"); err != nil {
		return err
	}
	if err := d.refused("INV-2026-1002", "INV-2026-1002.xml", "INV-2026-1002_terms.pdf"); err != nil {
		return err
	}

	d.step("Where everything is now:")
	for _, side := range []string{"supplier", "buyer"} {
		if err := d.tree(side); err != nil {
			return err
		}
	}
	d.step("The ledger and the folders are compared:")
	for _, side := range []string{"supplier", "buyer"} {
		out, err := exec.CommandContext(d.ctx, d.program, "check", "-c", d.config(side)).CombinedOutput()
		fmt.Fprintf(d.g.out, "  %s: %s\n", side, strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "\n  "))
		if err != nil {
			return fmt.Errorf("check of the %s: %w", side, err)
		}
	}
	d.step("All of it happened as it should.")
	return nil
}

func (d *demo) config(side string) string { return filepath.Join(d.dir, side, "config.yaml") }

func (d *demo) folder(side, partner string, more ...string) string {
	return filepath.Join(append([]string{d.dir, side, "data", "partners", partner}, more...)...)
}

// prepare makes keys and configs for both.
func (d *demo) prepare() error {
	d.step("Keys and certificates are made, for signing and for TLS, in %s", d.dir)
	var wait sync.WaitGroup
	failures := make([]error, 6)
	for i, k := range []keys.Request{
		{Name: "supplier", Now: d.g.now()}, {Name: "supplier-tls", Hosts: []string{"127.0.0.1", "localhost"}, Now: d.g.now()},
		{Name: "supplier-test", Now: d.g.now()},
		{Name: "buyer", Now: d.g.now()}, {Name: "buyer-tls", Hosts: []string{"127.0.0.1", "localhost"}, Now: d.g.now()},
		{Name: "buyer-test", Now: d.g.now()},
	} {
		k.Bits = 2048 // the demo is for looking, not for keeping
		wait.Go(func() {
			base := filepath.Join(d.dir, "keys", k.Name)
			failures[i] = keys.Make(k, base+".pem", base+".key")
		})
	}
	wait.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for _, side := range []string{"supplier", "buyer"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		_, d.ports[side], err = net.SplitHostPort(l.Addr().String())
		if err := errors.Join(err, l.Close()); err != nil {
			return err
		}
	}
	for side, other := range map[string]string{"supplier": "buyer", "buyer": "supplier"} {
		if err := os.MkdirAll(filepath.Join(d.dir, side), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(d.config(side), []byte(d.configText(side, other)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// configText is the config of one side. The supplier forgets to encrypt for tests, and the
// buyer sends attachments as parts of a multipart.
func (d *demo) configText(side, other string) string {
	forgets, bundle := "", "always"
	switch side {
	case "supplier":
		forgets = "\n    send:\n      encrypt: none"
	case "buyer":
		bundle = "multipart"
	}
	return strings.NewReplacer("SIDE", side, "OTHER", other, "UPPERS", strings.ToUpper(side), "UPPERO", strings.ToUpper(other),
		"PORTS", d.ports[side], "PORTO", d.ports[other], "FORGETS", forgets, "BUNDLE", bundle).Replace(`data_dir: data
listen:
  - address: 127.0.0.1:PORTS
    certificate: ../keys/SIDE-tls.pem
    key: ../keys/SIDE-tls.key
stations:
  production:
    as2_id: UPPERS
    keys:
      - certificate: ../keys/SIDE.pem
        key: ../keys/SIDE.key
  test:
    as2_id: UPPERS-TEST
    keys:
      - certificate: ../keys/SIDE-test.pem
        key: ../keys/SIDE-test.key
partners:
  OTHER:
    as2_id: UPPERO
    station: production
    url: https://127.0.0.1:PORTO/as2
    certificates: [../keys/OTHER.pem]
    server_certificates: [../keys/OTHER-tls.pem]
    naming:
      quiet: 1s
    outbox:
      bundle: BUNDLE
  OTHER-test:
    as2_id: UPPERO-TEST
    station: test
    url: https://127.0.0.1:PORTO/as2
    certificates: [../keys/OTHER-test.pem]
    server_certificates: [../keys/OTHER-tls.pem]
    naming:
      quiet: 1sFORGETS
`)
}

// start runs an agent and waits until it listens.
func (d *demo) start(side string) error {
	log, err := os.Create(filepath.Join(d.dir, side, "agent.log"))
	if err != nil {
		return err
	}
	defer log.Close() // the agent has its own handle
	cmd := exec.Command(d.program, "run", "-c", d.config(side))
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	d.agents = append(d.agents, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "runs;") {
		text, _ := os.ReadFile(log.Name()) // all that is known
		return fmt.Errorf("the agent of the %s did not start: %s", side, text)
	}
	return nil
}

// stop ends both agents.
func (d *demo) stop() {
	for _, a := range d.agents {
		if a.Process.Signal(os.Interrupt) != nil { // Windows has none
			_ = a.Process.Kill()
		}
		_ = a.Wait() // how it ends is of no interest any more
	}
}

// drop copies samples into an outbox the way a careful program does: under a name that
// is not ready, then renamed.
func (d *demo) drop(side, partner string, names ...string) error {
	outbox := d.folder(side, partner, "outbox")
	for _, name := range names {
		content, err := fs.ReadFile(ubl.Files(), name)
		if err != nil {
			return err
		}
		part := filepath.Join(outbox, name+".part")
		if err := os.WriteFile(part, content, 0o640); err != nil {
			return err
		}
		if err := os.Rename(part, filepath.Join(outbox, name)); err != nil {
			return err
		}
		fmt.Fprintf(d.g.out, "  %s/outbox <- %s (%d bytes)\n", partner, name, len(content))
	}
	return nil
}

// await looks for a folder whose name begins with the key until it is there.
func (d *demo) await(pattern string) (string, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		if len(found) == 1 {
			return found[0], nil
		}
		select {
		case <-tick.C:
		case <-d.ctx.Done():
			return "", fmt.Errorf("%s did not appear: %w", pattern, d.ctx.Err())
		}
	}
}

// delivered waits for the receipt, and proves that the same bytes arrived.
func (d *demo) delivered(side, partner, key string, names ...string) error {
	sent, err := d.await(d.folder(side, partner, "sent", "*", key+".*"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(sent, "receipt.mdn")); err != nil {
		return err
	}
	inbox := d.folder(partner, side, "inbox")
	for _, name := range names {
		want, err := fs.ReadFile(ubl.Files(), name)
		if err != nil {
			return err
		}
		for _, dir := range []string{sent, inbox} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				return fmt.Errorf("%s differs from what was dropped", filepath.Join(dir, name))
			}
		}
	}
	fmt.Fprintf(d.g.out, "  signed receipt for %s: %d files are in the %s's inbox, byte for byte, and filed under sent\n", key, len(names), partner)
	return nil
}

// refused waits for the third batch in failed and shows why.
func (d *demo) refused(key string, names ...string) error {
	failed, err := d.await(d.folder("supplier", "buyer-test", "failed", key+".*"))
	if err != nil {
		return err
	}
	why, err := os.ReadFile(filepath.Join(failed, "WHY.txt"))
	if err != nil {
		return err
	}
	if !bytes.Contains(why, []byte("insufficient-message-security")) {
		return fmt.Errorf("WHY.txt gives another reason: %s", why)
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(failed, name)); err != nil {
			return err
		}
		if _, err := os.Stat(d.folder("buyer", "supplier-test", "inbox", name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is in the buyer's inbox although it was refused", name)
		}
	}
	fmt.Fprintf(d.g.out, "  failed, with its files and a WHY.txt that says:\n\n    %s\n", strings.ReplaceAll(strings.TrimSpace(string(why)), "\n", "\n    "))
	return nil
}

// tree prints the folders that people look at.
func (d *demo) tree(side string) error {
	root := filepath.Join(d.dir, side, "data", "partners")
	fmt.Fprintf(d.g.out, "  %s\n", root)
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		if strings.HasPrefix(e.Name(), ".") {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		_, err = io.WriteString(d.g.out, "  "+strings.Repeat("   ", strings.Count(relative, string(filepath.Separator))+1)+name+"\n")
		return err
	})
}

// keep leaves the agents running until the user has had enough.
func (d *demo) keep(ctx context.Context) {
	d.step("Both agents go on. Drop files here and watch them travel:")
	fmt.Fprintf(d.g.out, "  %s\n  %s\n", d.folder("supplier", "buyer", "outbox"), d.folder("buyer", "supplier", "outbox"))
	fmt.Fprintf(d.g.out, "Look with:\n  %s ls --all -c %s\nCtrl-C ends both; the files stay in %s\n", d.program, d.config("supplier"), d.dir)
	<-ctx.Done()
}
