//go:build judges

package judges

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
)

// One signed and encrypted batch with its receipt each way, between the real agent and
// pyas2-lib, over HTTPS.
func TestJudgeAgentAndPyas2(t *testing.T) {
	dir, theirInbox := t.TempDir(), t.TempDir()
	us, them, tls := newIdentity(t, dir, "us"), newIdentity(t, dir, "them"), newIdentity(t, dir, "tls")
	p := peer{us: them, them: us, name: peerName, partner: ourName}
	server := p.serve(t, theirInbox, &tls)
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`data_dir: data
listen: [{address: "127.0.0.1:0", certificate: tls.pem, key: tls.key}]
stations:
  us: {as2_id: %q, keys: [{certificate: us.pem, key: us.key}]}
partners:
  peer:
    as2_id: %q
    station: us
    url: %q
    certificates: them.pem
    server_certificates: tls.pem
    naming: {quiet: 0s}
`, ourName, peerName, server.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(ctx context.Context, untilIdle bool, listening func([]string)) error {
		cfg, err := config.Load(file, time.Now())
		if err != nil {
			return err
		}
		return agent.Run(ctx, cfg, agent.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "judge", UntilIdle: untilIdle, Listening: listening})
	}
	folder := func(more ...string) string {
		return filepath.Join(append([]string{dir, "data", "partners", "peer"}, more...)...)
	}

	// Out: the folders are made, a batch is dropped, the agent runs until it is settled.
	if err := start(t.Context(), true, nil); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"INV-1.xml": "<Invoice/>", "INV-1_scan.pdf": "%PDF \r\n \n"} {
		if err := os.WriteFile(folder("outbox", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := start(t.Context(), true, nil); err != nil {
		t.Fatal(err)
	}
	if took := server.Next(); took.Status != "processed" || !took.Signed || !took.Encrypted {
		t.Errorf("the peer says %+v", took)
	}
	if sent, _ := filepath.Glob(folder("sent", "*", "INV-1.*", "receipt.mdn")); len(sent) != 1 {
		t.Errorf("in sent: %v", sent)
	}
	if got, _ := filepath.Glob(filepath.Join(theirInbox, "INV-1_*.zip")); len(got) != 1 {
		t.Errorf("the peer's inbox: %v", got)
	}

	// In: the peer sends a zip and checks our signed receipt.
	ctx, stop := context.WithCancel(t.Context())
	addresses, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- start(ctx, false, func(a []string) { addresses <- a[0] }) }()
	zip, err := filepath.Glob(filepath.Join(theirInbox, "INV-1_*.zip"))
	if err != nil || len(zip) != 1 {
		t.Fatal(zip, err)
	}
	select {
	case address := <-addresses:
		if answer := p.send(t, "https://"+address+"/as2", tls.Certificate, "", zip[0]); !answer.OK || answer.Status != "processed" || !answer.Signed || answer.MIC == "" {
			t.Errorf("the peer got %+v", answer)
		}
	case err := <-ended:
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"INV-1.xml": "<Invoice/>", "INV-1_scan.pdf": "%PDF \r\n \n"} {
		if got, err := os.ReadFile(folder("inbox", name)); err != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
