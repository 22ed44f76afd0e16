package outbox

import (
	"errors"
	"net/http"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// faultHints say what an operator can do where no answer came, by what broke.
var faultHints = map[as2.PostFault]string{
	as2.NoName:            "look whether the host in url is spelt right, and whether this machine's DNS works",
	as2.NoConnection:      "the partner's server, or the network between, is down, or a firewall lets nothing through: if it lasts, try the address from this machine, then ask the partner",
	as2.NoTLS:             "the partner's server is overloaded, or what listens there does not speak TLS: if it lasts, ask him",
	as2.Broken:            "the partner's server, or a gateway on the way, cut the connection: if it lasts, ask him what his log says",
	as2.Stalled:           "the partner's server, or the line, takes nothing in: if it lasts, ask him",
	as2.NoAnswer:          "the partner's server is slow or hangs: if it lasts, ask him, or give him more time with timeouts.answer",
	as2.NotHTTP:           "what listens there is no web server, or it is broken: compare the port in url with what the partner gave you",
	as2.PlainHTTP:         "the port in url is the wrong one, or the partner's server has lost its TLS: ask him, correct url, then: as2drop release PARTNER",
	as2.OldTLS:            "TLS 1.1 and older is not spoken here, for it is broken: the partner must allow TLS 1.2 or 1.3 on his server; then: as2drop release PARTNER",
	as2.OtherCertificate:  "ask the partner whether he has changed his server's certificate, and let him read the fingerprint to you; if it is his, put the certificate into server_certificates, then: as2drop release PARTNER",
	as2.WrongName:         "compare the host in url with the names in the certificate, and correct url; or the partner's server shows the wrong certificate: if he wants it so, put that certificate into server_certificates; then: as2drop release PARTNER",
	as2.Expired:           "the partner must renew his server's certificate: tell him; sending goes on by itself when he has, at once with: as2drop release PARTNER",
	as2.NotYetValid:       "look at the clock of this machine first; if it is right, the partner's server shows a certificate too early: tell him; then: as2drop release PARTNER",
	as2.BadCertificate:    "tell the partner what is wrong with his server's certificate; if he cannot change it, put it into server_certificates, which takes it as it is; then: as2drop release PARTNER",
	as2.ClientCertificate: "send the partner the certificate in client.client_certificate, or ask him which one he expects; then: as2drop release PARTNER",
	as2.BadHandshake:      "ask the partner what his server speaks; the port in url may be the wrong one; then: as2drop release PARTNER",
}

// noAnswer turns an error of the POST into an event.
func (o *Outbox) noAnswer(a *ledger.Attempt, err error) event {
	e := event{kind: failed, reason: err.Error()}
	a.Outcome = ledger.OutcomeNotSent
	var pe *as2.PostError
	if errors.As(err, &pe) {
		e.unknown = pe.Unknown
		if hint := faultHints[pe.Fault]; hint != "" {
			e.hint = hint
		}
		switch {
		case pe.Stopped && pe.Unknown:
			e.kind, e.reason, e.hint = stopped, "the partner may have it: the agent was stopped while it was being posted", "nothing; the same message is posted again"
		case pe.Stopped:
			e.kind, e.reason, e.hint = stopped, "not sent: the agent was stopped", "nothing; the message is posted again"
		case pe.TLS:
			e.kind = paused
		case pe.Proxy == http.StatusProxyAuthRequired || pe.Proxy == http.StatusUnauthorized || pe.Proxy == http.StatusForbidden:
			e.kind, e.hint = paused, "the proxy wants other credentials, or does not let us through to the partner: correct client.proxy and client.proxy_login, then: as2drop release PARTNER"
		}
	}
	if e.unknown {
		a.Outcome = ledger.OutcomeUnknown
	}
	return e
}
