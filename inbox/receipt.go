package inbox

import (
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/ledger"
)

// receipt builds the answer that was asked for (RFC 4130, 7.2). by is the certificate
// that signed it, nil = none.
func (r *request) receipt(d as2.Disposition, text string) (reply as2.Reply, by []byte, err error) {
	if !r.env.Receipt.Wanted {
		if d.Accepted() {
			return as2.Reply{Status: 200}, nil, nil
		}
		return textReply(400, text), nil, nil
	}
	id, err := ledger.NewID(r.Now(), r.Rand)
	if err != nil {
		return as2.Reply{}, nil, err
	}
	o := as2.MDNOptions{
		From: r.env.To, To: r.env.From, MessageID: "<mdn-" + id + "@as2drop>", OriginalMessageID: r.env.MessageID, Recipient: r.env.Recipient,
		Subject: r.env.Subject, Disposition: d, Text: text, UserAgent: r.UserAgent, Version: r.env.Version, Date: r.Now(), Rand: r.Rand,
	}
	ours, accepted, quirks := r.stations[r.env.To], []cms.Digest(nil), as2.Quirks{}
	if r.p != nil {
		ours, accepted, quirks = r.p.Sign, r.p.Digests, r.p.Quirks
		o.Version, o.MICNames = r.p.Version, quirks.MICNames
	}
	message := cms.NoDigest
	if r.opened != nil && len(r.opened.MICs) > 0 {
		// RFC 4130, 7.3.1: a negative receipt states the digest too, where there is one.
		o.MIC = &r.opened.MICs[0]
		message = o.MIC.Digest
	}
	o.Sign = r.env.Receipt.Signer(signerAt(ours, r.Now()), message, accepted, quirks)
	if o.Sign != nil {
		by = o.Sign.Certificate.Raw
	}
	h, body, err := as2.BuildMDN(o)
	return as2.Reply{Status: 200, Header: h, Body: body}, by, err
}

// signerAt is our signer at a moment, nil if there is none.
func signerAt(sign func(time.Time) *cms.Signer, at time.Time) *cms.Signer {
	if sign == nil {
		return nil
	}
	return sign(at)
}

// textReply is an answer for people.
func textReply(status int, text string) as2.Reply {
	return as2.Reply{Status: status, Header: []as2.Field{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, Body: []byte(text + "\n")}
}
