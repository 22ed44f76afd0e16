package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/testpartner"
	"github.com/as2drop/as2drop/ledger"
)

// One partner has 150 documents in the outbox when the agent starts and may have 64 of them
// under way, five others have four each. Those are posted while the large queue has hardly
// begun, and all that is in it arrives too.
func TestBacklogDelaysNoOtherPartner(t *testing.T) {
	partners := map[string]string{"big": "one"}
	for i := range 5 {
		partners[fmt.Sprint("small", i)] = "one"
	}
	c, servers := newCrowd(t, map[string]testpartner.Plan{"one": nil}, partners)
	for _, p := range c.cfg.Partners {
		if p.Name == "big" {
			p.Send.Parallel = 64
		}
	}
	const queue, few = 150, 4
	makeFolders := c.run()
	eventually(t, "the agent has a status", func() bool { _, err := status.Read(c.cfg.DataDir); return err == nil })
	makeFolders()
	for name := range partners {
		n := few
		if name == "big" {
			n = queue
		}
		c.drop(name, n)
	}
	stop := c.run()
	defer stop()
	eventually(t, "all documents are in sent", func() bool { return c.sent("*") == queue+5*few })
	stop()
	c.once(queue + 5*few)

	before, small := 0, 0
	for _, content := range c.order {
		if strings.Contains(content, "big-") {
			before++
		} else if small++; small == 5*few {
			break
		}
	}
	t.Logf("%d of the large queue came before the last of the others", before)
	if before > queue/5 {
		t.Errorf("%d of the large queue came before the last of the others", before)
	}
	if complaints := servers["one"].Complaints(); len(complaints) > 0 {
		t.Error(complaints)
	}
	c.inspect(func(*ledger.Tx) error { return nil })
}
