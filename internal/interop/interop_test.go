//go:build interop

package interop

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/peers"
)

var only = flag.String("only", "", "run only the cases whose key, column or name matches; the table is not compared then, and the test fails")

// patience is how long all cells of a peer may take together.
const patience = 4 * time.Minute

// peer is a product that plays the other side.
type peer interface {
	// lacks says why the peer cannot play a cell; empty = it can.
	lacks(c cell) string
	// addresses are where messages and later receipts reach it (host:port).
	addresses() (messages, receipts string)
	// begin gets it ready for all cells; the URLs lead through the proxies.
	begin(t *testing.T, cs []cell, ourURL, receiptURL string)
	// nameless says why a document arrives without its name; empty = it has it.
	nameless(c cell) string
	// send has it send the document of a cell.
	send(t *testing.T, c cell)
	// received lists the files that it delivered for a cell.
	received(c cell) []string
	// tookOurs is what it says about a message of ours. Empty = it took it.
	tookOurs(c cell) (complaint string)
	// sentItsOwn is what it says about a message of its own: whether it is through
	// with it, and if it takes it for sent. The complaint is empty then.
	sentItsOwn(c cell) (done bool, complaint string)
}

// stage is everything that runs for the cells of one peer.
type stage struct {
	peer   peer
	agent  *agent
	toPeer *proxy // our messages
	toUs   *proxy // the peer's messages, and its later receipts
	later  *proxy // our later receipts
}

func TestInterop(t *testing.T) {
	wanted := regexp.MustCompile(*only)
	table := newTable(t)
	for _, p := range []struct {
		name string
		make func(t *testing.T) peer
	}{
		{openAS2, func(t *testing.T) peer { return newOpenAS2(t) }},
		{pyas2, func(t *testing.T) peer { return newPyas2(t) }},
	} {
		t.Run(p.name, func(t *testing.T) {
			outs, ins := cells(column{p.name, out}, matrix()), cells(column{p.name, in}, matrix())
			all := append(outs, ins...)
			if *only != "" {
				all = filter(all, func(c cell) bool {
					return wanted.MatchString(c.key) || wanted.MatchString(c.row.name+" "+c.column.String())
				})
			}
			if len(all) > 0 {
				play(t, p.make(t), all, table)
			}
		})
	}
	if *only != "" {
		t.Fatalf("only %q was run", *only)
	}
	table.compare(t, *capture)
}

func filter(cs []cell, keep func(cell) bool) []cell {
	var kept []cell
	for _, c := range cs {
		if keep(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

// play runs all cells of a peer at once, judges each and enters it into the table.
func play(t *testing.T, p peer, all []cell, table *table) {
	for _, c := range all {
		if why := lacks(p, c); why != "" {
			table.cannot(c, why)
		}
	}
	cs := filter(all, func(c cell) bool { return lacks(p, c) == "" })
	s := raise(t, p, cs)
	for _, c := range cs {
		if c.dir == out {
			s.dropFiles(t, c)
		} else {
			p.send(t, c)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, c := range cs {
		// What does not settle is judged as it is.
		peers.Until(ctx, func() bool { return s.settled(t, c) })
	}
	for _, c := range cs {
		said, err := s.judge(t, c)
		if *capture && worthKeeping(c) {
			s.save(t, c)
		}
		if err != nil && table.blamed(c, err) {
			t.Logf("%s (%s, %s): the peer is blamed for: %v", c.row.name, c.column, c.key, err)
			continue
		}
		if err != nil {
			t.Errorf("%s (%s, %s): %v", c.row.name, c.column, c.key, err)
			s.keep(t, c)
		}
		table.enter(c, said, p.nameless(c), err)
	}
	s.partnerTest(t, cs)
	s.agent.end(t)
	for _, x := range []*proxy{s.toPeer, s.toUs, s.later} {
		for _, err := range x.faults {
			t.Errorf("proxy to %s: %v", x.target, err)
		}
	}
}

// lacks is why a cell cannot be had: because of the peer, or in general.
func lacks(p peer, c cell) string {
	switch {
	case c.dir == out && c.fault == sentTwice:
		return "the case below is the same from the other side"
	case c.dir == in && c.parts:
		return "it sends one file in a message"
	case c.dir == in && c.fault == brokenReceipt:
		return "that is for the peer to notice"
	case c.dir == out && c.encoding != "", c.dir == in && c.quirk != "":
		return "it is the sender who chooses"
	}
	return p.lacks(c)
}

// raise starts the peer, the proxies and the agent.
func raise(t *testing.T, p peer, cs []cell) *stage {
	listen := peers.FreeAddress(t)
	messages, receipts := p.addresses()
	s := &stage{peer: p, toPeer: startProxy(t, messages), toUs: startProxy(t, listen), later: startProxy(t, receipts)}
	for _, c := range cs {
		if sp := spoilerFor(c); sp != nil && c.dir == out {
			s.toPeer.spoil[c.name] = sp
		} else if sp != nil {
			s.toUs.spoil[c.name] = sp
		}
	}
	ourURL := "http://" + s.toUs.address() + "/as2"
	p.begin(t, cs, ourURL, "http://"+s.later.address()+"/mdn")
	s.agent = newAgent(t, cs, listen, ourURL, "http://"+s.toPeer.address()+"/as2")
	return s
}

// dropFiles puts the documents of a cell into the outbox, the attachment first.
func (s *stage) dropFiles(t *testing.T, c cell) {
	t.Helper()
	outbox := s.agent.folder(c, "outbox")
	if !peers.Until(t.Context(), func() bool { return exists(outbox) }) {
		t.Fatalf("%s: no outbox", c.key)
	}
	if c.attached {
		drop(t, outbox+"/"+c.attachmentName(), c.attachment())
	}
	drop(t, outbox+"/"+c.file, c.payload())
}

// settled says whether nothing more is to be expected of a cell.
func (s *stage) settled(t *testing.T, c cell) bool {
	if c.dir == out {
		return s.agent.outcomeOf(t, c) != nil
	}
	done, _ := s.peer.sentItsOwn(c)
	return done && (c.refused() || len(list(s.agent.folder(c, "inbox"))) > 0)
}

// keep puts what went over the wire for a cell beside the logs.
func (s *stage) keep(t *testing.T, c cell) {
	t.Helper()
	for way, x := range map[string]*proxy{"to-peer": s.toPeer, "to-us": s.toUs, "later": s.later} {
		for i, e := range x.of(c.name) {
			base := fmt.Sprintf("%s/%s-%s-%d-", logs, c.key, way, i+1)
			write(t, base+"request", slices.Concat(e.Request.Head, e.Request.Body))
			write(t, base+"response", slices.Concat(e.Response.Head, e.Response.Body))
		}
	}
}
