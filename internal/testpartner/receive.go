package testpartner

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
)

// stored is a message that was delivered, with the receipt for it.
type stored struct {
	header, body string // digests
	receipt      reply
	env          *as2.Envelope
	mic          as2.MIC
}

// reply is an answer with a receipt.
type reply struct {
	header []as2.Field
	body   []byte
}

// Well takes the message and gives the receipt that it asks for: on the connection, or
// later by a connection of its own, which is tried until it succeeds.
var Well = Behaviour{Name: "well", serve: (*visit).well}

func (v *visit) well() {
	if !v.read() {
		return
	}
	r, ok := v.take()
	if ok {
		v.hand(r)
	}
}

// hand gives a receipt in the way that was asked for.
func (v *visit) hand(r reply) {
	env, err := as2.ParseEnvelope(v.r.Header)
	switch {
	case err != nil || !env.Receipt.Wanted:
		v.answer(http.StatusOK, nil, nil)
	case env.Receipt.Async != "":
		v.p.owe(1)
		v.answer(http.StatusOK, nil, nil)
		v.p.served.Go(func() { v.p.deliverReceipt(env.Receipt.Async, r) })
	default:
		v.answer(http.StatusOK, r.header, r.body)
	}
}

// take opens the message that was read and delivers it, unless it is known. Without
// sense in it the visit is answered here, and ok is false.
func (v *visit) take() (r reply, ok bool) {
	if known, ok := v.known(); ok {
		if v.p.options.Repeated {
			d := as2.Disposition{Type: "processed", Kind: "error", Modifier: as2.DuplicateDocument}
			return v.p.receipt(known.env, nil, d, nil), true
		}
		return known.receipt, true
	}
	env, opened, content, err := v.open()
	var fault *as2.Fault
	switch {
	case errors.As(err, &fault):
		v.p.complain("%s: %v", v.r.Header.Get("Message-Id"), err)
		v.hand(v.p.receipt(env, nil, fault.Disposition, nil))
		return reply{}, false
	case err != nil:
		v.p.complain("%s: %v", v.r.Header.Get("Message-Id"), err)
		v.answer(http.StatusBadRequest, nil, []byte(err.Error()))
		return reply{}, false
	}
	r = v.p.receipt(env, &opened.MICs[0], as2.Processed, nil)
	first := v.p.deliver(v, stored{v.seen.Header, digest(v.body), r, env, opened.MICs[0]}, content)
	return first, true
}

// open peels the message.
func (v *visit) open() (*as2.Envelope, *as2.Opened, []byte, error) {
	env, err := as2.ParseEnvelope(v.r.Header)
	if err != nil {
		return nil, nil, nil, err
	}
	var content bytes.Buffer
	opened, err := as2.Open(env, bytes.NewReader(v.body), func(as2.Part) (io.WriteCloser, error) { return nopCloser{&content}, nil },
		as2.OpenOptions{Identities: []cms.Identity{v.p.options.Own}, Trust: cms.Pinned(v.p.options.Sender), At: time.Now()})
	return env, opened, content.Bytes(), err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// recall is what is stored for the message of a visit.
func (v *visit) recall() (stored, bool) {
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	s, ok := v.p.receipts[messageID(v.r.Header)]
	return s, ok
}

// known looks a Message-ID up, and complains where it comes with something else.
func (v *visit) known() (stored, bool) {
	s, ok := v.recall()
	if ok && (s.body != digest(v.body) || s.header != v.seen.Header) {
		v.p.complain("visit %d: %s came with other bytes or other AS2 header fields than before", v.seen.N, messageID(v.r.Header))
	}
	return s, ok
}

// deliver counts a content once, and returns the receipt that holds.
func (p *Partner) deliver(v *visit, s stored, content []byte) reply {
	id := messageID(v.r.Header)
	p.mu.Lock()
	if earlier, ok := p.receipts[id]; ok { // another visit was faster
		p.mu.Unlock()
		return earlier.receipt
	}
	p.receipts[id] = s
	p.delivered[digest(content)]++
	p.mu.Unlock()
	if p.options.Deliver != nil {
		p.options.Deliver(id, content)
	}
	return s.receipt
}

func (p *Partner) complain(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// receipt writes one; change may spoil what it states.
func (p *Partner) receipt(env *as2.Envelope, mic *as2.MIC, d as2.Disposition, change func(*as2.MDNOptions)) reply {
	now := time.Now()
	o := as2.MDNOptions{From: env.To, To: env.From, MessageID: fmt.Sprintf("<%d.receipt@partner.invalid>", now.UnixNano()), OriginalMessageID: env.MessageID,
		Disposition: d, MIC: mic, Text: "A word of the partner.", UserAgent: "testpartner", Date: now}
	o.Sign = env.Receipt.Signer(signer(p.options.Own), cms.SHA256, nil, as2.Quirks{})
	if change != nil {
		change(&o)
	}
	header, body, err := as2.BuildMDN(o)
	if err != nil {
		panic(err) // what it states comes from a message that was read
	}
	return reply{header, body}
}

func signer(id cms.Identity) *cms.Signer {
	return &cms.Signer{Certificate: id.Certificate, Key: id.Key.(*rsa.PrivateKey), Digest: cms.SHA256}
}

// byStranger is a signer that nobody knows.
func (p *Partner) byStranger() *cms.Signer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stranger.Certificate == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err) // without randomness there is no test
		}
		t := &x509.Certificate{SerialNumber: big.NewInt(99), Subject: pkix.Name{CommonName: "stranger"}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
		if err != nil {
			panic(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		p.stranger = cms.Identity{Certificate: c, Key: key}
	}
	return signer(p.stranger)
}
