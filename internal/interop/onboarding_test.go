//go:build interop

package interop

import (
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/peers"
)

// tested are the cases that partner test goes through with each peer: what is usual, at once
// and with the receipt on a connection of its own.
func tested(cs []cell) (some []cell) {
	async := false
	for _, c := range cs {
		plain := c.dir == out && c.fault == noFault && c.quirk == "" && c.id == "" && c.sign == ourDigest && c.encrypt == aes256 && c.transport == "rsa" && c.compress == "none" && c.receipt == "signed" && !c.attached
		if plain && (c.name == cs[0].name || c.row.name == "RSA PKCS#1 v1.5, "+ourDigest || c.async && !async) {
			some = append(some, c)
			async = async || c.async
		}
	}
	return some
}

// partnerTest goes the way of a message to a peer as an operator does, beside the agent.
func (s *stage) partnerTest(t *testing.T, cs []cell) {
	t.Helper()
	some := tested(cs)
	for _, c := range some {
		said := peers.Run(t, s.agent.binary, "partner", "test", c.key, "--yes", "-c", s.agent.config)
		t.Logf("%s: %s", c.row.name, said)
		if !strings.Contains(said, "Everything went well") {
			t.Errorf("partner test of %s (%s): %s", c.row.name, c.key, said)
		}
	}
	if len(some) == 0 && *only == "" {
		t.Error("no case was there to test")
	}
}
