package agent

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
)

// samples are documents as programs write them, by the name to drop them under.
func samples(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, kind := range []string{"ubl", "cii"} {
		found, err := filepath.Glob(filepath.Join("..", "testdata", "samples", kind, "*.xml"))
		if err != nil || len(found) < 3 {
			t.Fatalf("%d samples of %s, %v", len(found), kind, err)
		}
		for _, file := range found {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all[kind+"-"+filepath.Base(file)] = b
		}
	}
	return all
}

// Every sample, with two attachments, goes out in every form and comes in again: the
// attachments byte for byte and under their names, the document as it was wherever the form
// leaves it so.
func TestEverySampleInEveryForm(t *testing.T) {
	dir := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	r := keys.Request{Name: "tls", Hosts: []string{"127.0.0.1"}, Bits: 2048, Now: time.Now()}
	if err := keys.Make(r, filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}
	forms := []string{"always", "multipart", "embedded"}
	stations, partners := "", ""
	for _, form := range forms {
		r := keys.Request{Name: form, Bits: 2048, Now: time.Now()}
		if err := keys.Make(r, filepath.Join(dir, form+".pem"), filepath.Join(dir, form+".key")); err != nil {
			t.Fatal(err)
		}
		stations += fmt.Sprintf("  %s: {as2_id: %s, keys: [{certificate: %s.pem, key: %s.key}]}\n", form, strings.ToUpper(form), form, form)
		partners += fmt.Sprintf("  %s: {as2_id: %s, station: %s, url: \"https://%s/as2\", certificates: %s.pem, server_certificates: tls.pem, naming: {quiet: 0s}, outbox: {bundle: %s}, inbox: {extract: true}}\n",
			form, strings.ToUpper(form), form, address, form, form)
	}
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("data_dir: data\nlisten: [{address: %q, certificate: tls.pem, key: tls.key}]\nstations:\n%spartners:\n%s", address, stations, partners)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bytesOfAll := make([]byte, 256)
	for i := range bytesOfAll {
		bytesOfAll[i] = byte(i)
	}
	attachments := map[string][]byte{"scan.pdf": append([]byte("%PDF-1.7\n"), bytes.Repeat(bytesOfAll, 700)...), "März.odt": []byte("PK\x03\x04 no more than that")}
	start(t, cfg)
	documents := samples(t)
	for _, form := range forms {
		partner := filepath.Join(dir, "data", "partners", form)
		eventually(t, "the outbox of "+form, func() bool { _, err := os.Stat(filepath.Join(partner, "outbox")); return err == nil })
		for name, content := range documents {
			key := strings.TrimSuffix(name, ".xml")
			for attachment, b := range attachments {
				put(t, filepath.Join(partner, "outbox", key+"_"+attachment), b)
			}
			put(t, filepath.Join(partner, "outbox", name), content) // last, for nobody waits here
		}
	}
	for _, form := range forms {
		partner := filepath.Join(dir, "data", "partners", form)
		for _, name := range slices.Sorted(maps.Keys(documents)) {
			key := strings.TrimSuffix(name, ".xml")
			var sent string
			eventually(t, form+": "+name+" is in sent", func() bool {
				if why, _ := filepath.Glob(filepath.Join(partner, "failed", key+".*", "WHY.txt")); len(why) > 0 {
					b, _ := os.ReadFile(why[0]) // for the text
					t.Fatalf("%s: %s failed: %s", form, name, b)
				}
				found, _ := filepath.Glob(filepath.Join(partner, "sent", "*", key+".*")) // the pattern is ours
				if len(found) == 1 {
					sent = found[0]
				}
				return sent != ""
			})
			same := func(folder, name string, want []byte) {
				b, err := os.ReadFile(filepath.Join(folder, name))
				if err != nil || !bytes.Equal(b, want) {
					t.Errorf("%s: %s: %d bytes, want %d; %v", form, filepath.Join(filepath.Base(folder), name), len(b), len(want), err)
				}
			}
			inbox := filepath.Join(partner, "inbox")
			for attachment, b := range attachments {
				same(sent, key+"_"+attachment, b)
				same(inbox, key+"_"+attachment, b)
			}
			same(sent, name, documents[name])
			if form != "embedded" {
				same(inbox, name, documents[name])
			}
		}
	}
	findings, _, err := Check(context.Background(), cfg)
	if err != nil || len(findings) > 0 {
		t.Errorf("check: %v, %v", findings, err)
	}
}

// put makes a file that is complete as soon as it is there.
func put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name+".part", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".part", name); err != nil {
		t.Fatal(err)
	}
}
