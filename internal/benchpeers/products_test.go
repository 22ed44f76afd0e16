//go:build peers

package benchpeers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/as2drop/as2drop/internal/peers"
)

// The products, in the order of their turns.
const (
	ours    = "as2drop"
	openAS2 = "OpenAS2"
	pyas2   = "pyas2-lib"
)

var products = []string{ours, openAS2, pyas2}

// root is the top of the repository; tests run in the folder of their package.
const root = "../.."

// ends are a sender and a receiver of one product.
type ends struct {
	product       string
	sender, taker *peers.Process
	outboxes      []string // documents go into them in turn
	sent          []string // patterns of the folders of what the sender is through with
	inbox         string
	failed        []string // patterns of what may not be there
	end           func()   // stops both, and has them checked where the product can
}

// knobs are the settings that differ between small documents and a large file.
type knobs struct {
	parallel map[string]int // documents under way at once, by product
	heap     string         // of Java, for each end of OpenAS2
}

// raise starts both ends of a product in a folder of its own.
func raise(t testing.TB, product string, k knobs) *ends {
	t.Helper()
	dir := t.TempDir()
	var e *ends
	switch product {
	case ours:
		e = raiseOurs(t, dir, k.parallel[ours])
	case openAS2:
		e = raiseOpenAS2(t, dir, k.parallel[openAS2], k.heap)
	case pyas2:
		e = raisePyas2(t, dir, k.parallel[pyas2])
	}
	e.product = product
	return e
}

// logsOf is where the output of an end goes.
func logsOf(dir, end string) peers.Logs {
	return peers.Logs{Dir: filepath.Join(dir, "logs"), Name: end}
}

// raiseOurs starts two agents: everything is as it is without a word of the config, but
// that files are taken at first sight, and travel alone and not in a zip, as those of the
// peers do.
func raiseOurs(t testing.TB, dir string, parallel int) *ends {
	t.Helper()
	binary := absolute(t, "bin/as2drop")
	address := peers.FreeAddress(t)
	station := "data_dir: data\nstations:\n  us: {as2_id: %s, keys: [{certificate: %s, key: %s}]}\n"
	partner := "partners:\n  %s: {as2_id: %s, station: us, url: \"http://%s/as2\", allow_http: true, certificates: %s, naming: {quiet: 0s}, outbox: {bundle: never, checks: {total_size: off}}, send: {parallel: %d}}\n"
	write(t, filepath.Join(dir, "sender", "config.yaml"), fmt.Sprintf(station, "SENDER", key(t, "us")+".pem", key(t, "us")+".key")+
		fmt.Sprintf(partner, "taker", "TAKER", address, key(t, "partner")+".pem", parallel))
	write(t, filepath.Join(dir, "taker", "config.yaml"), fmt.Sprintf(station, "TAKER", key(t, "partner")+".pem", key(t, "partner")+".key")+
		fmt.Sprintf("listen:\n  - {address: %q, behind_proxy: true, public_url: \"http://%s/as2\"}\n", address, address)+
		fmt.Sprintf(partner, "sender", "SENDER", address, key(t, "us")+".pem", parallel))
	config := func(end string) string { return filepath.Join(dir, end, "config.yaml") }
	partnerOf := func(end, other string) string { return filepath.Join(dir, end, "data", "partners", other) }
	e := &ends{
		taker:    peers.Start(t, logsOf(dir, "taker"), binary, "run", "-c", config("taker")),
		outboxes: []string{filepath.Join(partnerOf("sender", "taker"), "outbox")},
		sent:     []string{filepath.Join(partnerOf("sender", "taker"), "sent", "*")},
		inbox:    filepath.Join(partnerOf("taker", "sender"), "inbox"),
		failed:   []string{filepath.Join(partnerOf("sender", "taker"), "failed", "*", "transfer.json")},
	}
	e.taker.Listens(t, address)
	e.sender = peers.Start(t, logsOf(dir, "sender"), binary, "run", "-c", config("sender"))
	if !peers.Until(t.Context(), func() bool { return exists(e.outboxes[0]) && exists(e.inbox) || e.sender.Ended() }) || e.sender.Ended() {
		t.Fatal("no outbox or no inbox")
	}
	e.end = func() {
		for name, p := range map[string]*peers.Process{"sender": e.sender, "taker": e.taker} {
			if err := p.Stop(t); err != nil {
				t.Errorf("%s ended with %v", name, err)
			}
			peers.Run(t, binary, "check", "-c", config(name))
		}
	}
	return e
}

// raiseOpenAS2 starts two of it. What can be sent at once is a matter of how many folders
// it polls.
func raiseOpenAS2(t testing.TB, dir string, pollers int, heap string) *ends {
	t.Helper()
	jars := need(t, "AS2DROP_INTEROP_OPENAS2")
	address := map[string]string{"sender": peers.FreeAddress(t), "taker": peers.FreeAddress(t)}
	started := map[string]*peers.Process{}
	e := &ends{}
	for end, own := range map[string]string{"sender": "us", "taker": "partner"} {
		home := filepath.Join(dir, end)
		data := struct {
			Dir, Password, Port, URL string
			Pollers                  []string
		}{home, peers.KeyStorePassword, port(address[end]), "http://" + address["taker"] + "/as2", nil}
		if end == "sender" {
			for i := range pollers {
				data.Pollers = append(data.Pollers, fmt.Sprint(i))
				e.outboxes = append(e.outboxes, filepath.Join(home, "data", "out", fmt.Sprint(i)))
			}
		}
		for _, name := range []string{"config.xml", "partnerships.xml"} {
			text, err := template.ParseFiles(absolute(t, "testdata/peers/openas2-"+name+".tmpl"))
			must(t, err)
			var b bytes.Buffer
			must(t, text.Execute(&b, data))
			write(t, filepath.Join(home, "config", name), b.String())
		}
		commands, err := os.ReadFile(absolute(t, "testdata/interop/openas2-commands.xml"))
		must(t, err)
		write(t, filepath.Join(home, "config", "commands.xml"), string(commands))
		other, certificate := "taker", "partner"
		if end == "taker" {
			other, certificate = "sender", "us"
		}
		peers.WriteKeyStore(t, filepath.Join(home, "config", "keys.p12"), map[string]string{end: key(t, own)}, map[string]string{other: key(t, certificate) + ".pem"})
		started[end] = peers.StartOpenAS2(t, logsOf(dir, end), jars, filepath.Join(home, "config", "config.xml"), append(javaOptions(heap), "-Dorg.openas2.logging.defaultlog=error")...)
	}
	e.sender, e.taker = started["sender"], started["taker"]
	e.sent, e.inbox = []string{filepath.Join(dir, "sender", "data", "sent")}, filepath.Join(dir, "taker", "data", "received")
	e.failed = []string{filepath.Join(dir, "sender", "data", "error", "*")}
	e.end = func() { e.sender.Stop(t); e.taker.Stop(t) } // Java ends with 143 then
	for end, p := range started {
		p.Listens(t, address[end])
	}
	return e
}

// javaOptions are those of each end of OpenAS2: its heap, and the collector with the
// highest throughput.
func javaOptions(heap string) []string { return []string{"-Xmx" + heap, "-XX:+UseParallelGC"} }

// raisePyas2 starts testdata/peers/pyas2_pair.py twice.
func raisePyas2(t testing.TB, dir string, workers int) *ends {
	t.Helper()
	python, script := need(t, "AS2DROP_INTEROP_PYTHON"), absolute(t, "testdata/peers/pyas2_pair.py")
	address := peers.FreeAddress(t)
	e := &ends{outboxes: []string{filepath.Join(dir, "outbox")}, sent: []string{filepath.Join(dir, "sent")}, inbox: filepath.Join(dir, "inbox")}
	for _, folder := range []string{e.outboxes[0], e.sent[0], e.inbox} {
		must(t, os.Mkdir(folder, 0o700))
	}
	e.taker = peers.Start(t, logsOf(dir, "taker"), python, script, "receive", fmt.Sprint(workers), key(t, "partner")+".key", key(t, "partner")+".pem", key(t, "us")+".pem", address, e.inbox)
	e.taker.Listens(t, address)
	e.sender = peers.Start(t, logsOf(dir, "sender"), python, script, "send", fmt.Sprint(workers), key(t, "us")+".key", key(t, "us")+".pem", key(t, "partner")+".pem", "http://"+address+"/as2", e.outboxes[0], e.sent[0])
	e.end = func() {
		for _, p := range []*peers.Process{e.sender, e.taker} {
			if err := p.Stop(t); err != nil {
				t.Errorf("pyas2-lib ended with %v", err)
			}
		}
	}
	return e
}

// need is what .ci/bench-peers.sh tells about where a peer lies.
func need(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run make bench-peers", name)
	}
	return value
}

// key is the path of a key pair for tests; it has a .pem and a .key.
func key(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(absolute(t, "testdata/keys"), name+"-rsa")
}

func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// absolute is a path of the repository that other programs find too.
func absolute(t testing.TB, path string) string {
	t.Helper()
	a, err := filepath.Abs(filepath.Join(root, path))
	must(t, err)
	return a
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
