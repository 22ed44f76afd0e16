package agent

import (
	"crypto"
	"crypto/tls"
	"net/url"
	"slices"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/outbox"
)

// outboxPartner is a partner of the config as the outbox takes it. What changes with
// time (who signs, who is encrypted to) is passed as a function of it.
func outboxPartner(cfg *config.Config, p *config.Partner, dir fsx.FS) outbox.Partner {
	o := outbox.Partner{
		Name: p.Name, AS2ID: p.AS2ID, Station: p.Station.Name, StationAS2ID: p.Station.AS2ID, URL: p.URL, Folder: dir,
		Rules: p.Rules, LateWindow: p.LateWindow, Bundle: outbox.Bundle(p.Outbox.Bundle), Certificates: p.AllCertificates(), Trust: p.Signers(),
		Cipher: p.Send.Cipher, Own: p.Station.Recipient(), Identities: identities(p.Station), Version: p.Version, ContentType: p.Send.ContentType, Extra: p.Send.Headers, Quirks: p.Quirks.Quirks,
		Subject: p.Send.Subject, EvidenceUpTo: p.EvidenceUpTo, Reserve: uint64(cfg.Reserve),
		Checks: p.Outbox.Checks.Rules, Strict: p.Outbox.Order == "strict", SameContent: outbox.SameContent(p.Outbox.SameContent), SameContentFor: time.Duration(p.Outbox.SameDays) * 24 * time.Hour, Access: accessOf(p),
		Policy: outbox.Policy{
			Attempts: p.Retry.Attempts, Delays: p.Retry.Delays, First: p.Retry.First, Max: p.Retry.Max, Factor: p.Retry.Factor, Jitter: p.Retry.Jitter,
			GiveUpAfter: p.Retry.GiveUpAfter, Window: p.Outbox.Window, ReceiptWait: p.Send.ReceiptWait, AcceptNoMIC: p.Send.AcceptNoMIC, AcceptDuplicate: p.Send.AcceptDuplicate,
		},
	}
	if !p.Outbox.Pickup.IsZero() {
		o.Pickup = p.Outbox.Pickup
	}
	if !p.Retry.Schedule.IsZero() {
		o.Policy.Schedule = p.Retry.Schedule
	}
	if p.Send.Sign != cms.NoDigest {
		o.Sign = signer(p)
	}
	if p.Send.Cipher != cms.NoCipher {
		o.EncryptTo = func(at time.Time) *cms.Recipient {
			return &cms.Recipient{Certificate: p.EncryptTo(at), Transport: p.Send.Transport, ByKeyID: p.Send.ByKeyID}
		}
	}
	switch p.Send.Compress {
	case "before-sign":
		o.Compress = as2.CompressBeforeSign
	case "after-sign":
		o.Compress = as2.CompressAfterSign
	}
	if p.Send.Receipt != "none" {
		o.Receipt = as2.ReceiptRequest{Wanted: true, Signed: p.Send.Receipt == "signed", Digests: offered(p.Send)}
		if p.Send.Async {
			o.Receipt.Async = p.Send.ReceiptURL
		}
	}
	return o
}

// offered are the digests for the MIC: those of the config, or else the signature's
// and SHA-256.
func offered(s config.Send) []cms.Digest {
	if len(s.MICDigests) > 0 {
		return s.MICDigests
	}
	ds := []cms.Digest{cms.SHA256}
	if s.Sign != cms.NoDigest && s.Sign != cms.SHA256 {
		ds = slices.Insert(ds, 0, s.Sign)
	}
	return ds
}

// signer signs messages and receipts to a partner, with the key whose time it is.
func signer(p *config.Partner) func(time.Time) *cms.Signer {
	digest := p.Send.Sign
	if digest == cms.NoDigest {
		digest = cms.SHA256 // of receipts: messages are unsigned then
	}
	return func(at time.Time) *cms.Signer {
		k := p.Station.SignWith(at)
		return &cms.Signer{
			Certificate: k.Certificate, Chain: k.Chain, Key: k.Key, Digest: digest, PSS: p.Send.PSS,
			NoAttributes: p.Quirks.NoSignedAttributes, NoProtection: p.Quirks.NoAlgorithmProtection,
		}
	}
}

// inboxPartner is a partner of the config as the inbox takes it.
func inboxPartner(cfg *config.Config, b *box) inbox.Partner {
	p, retry := b.partner, b.partner.Receive.ReceiptRetry
	in := inbox.Partner{
		Name: p.Name, AS2ID: p.AS2ID, Station: p.Station.Name, StationAS2ID: p.Station.AS2ID, Folder: b.folder,
		Ready: b.ready,
		Rules: p.Rules, FoldCase: p.Naming.FoldCase, Identities: identities(p.Station), Trust: p.Signers(), Ciphers: p.Receive.Ciphers(), Digests: p.Receive.Digests, Sign: signer(p),
		Version: p.Version, Quirks: p.Quirks.Quirks, ReceiptHosts: p.Receive.ReceiptHosts, ReceiptHTTP: p.AllowHTTP,
		Post: receiptClient(p), ReceiptRetry: inbox.ReceiptRetry{Attempts: retry.Attempts, First: retry.First, Max: retry.Max, GiveUp: retry.GiveUpAfter}, Credentials: credentials(p.Receive.Credentials),
		RequireSigned: p.Receive.Signed, RequireEncrypted: p.Receive.Encrypted, MaxMessage: p.Receive.MaxMessage,
		Limits: bundle.Limits{Entries: p.Receive.MaxEntries, Bytes: p.Receive.MaxUnpacked, Ratio: p.Receive.MaxRatio},
		Unpack: p.Inbox.Unpack == "auto", KeepBroken: p.Inbox.BrokenZip == "keep",
		Several: inbox.Rule(p.Inbox.Several), Strays: inbox.Rule(p.Inbox.Strays), NestedZips: inbox.Rule(p.Inbox.NestedZips), Extract: p.Inbox.Extract, RejectConflict: p.Inbox.OnConflict == "reject",
		FolderPerBatch: p.Inbox.Layout == "batch", EvidenceUpTo: p.EvidenceUpTo, Reserve: uint64(cfg.Reserve), Access: accessOf(p),
		AfterReceived: hookNames(p.Hooks.AfterReceived),
	}
	return in
}

// identities are all keys of a station, to decrypt with.
func identities(s *config.Station) (ids []cms.Identity) {
	for _, k := range s.Keys {
		ids = append(ids, cms.Identity{Certificate: k.Certificate, Key: crypto.PrivateKey(k.Key)})
	}
	return ids
}

// credentials are what a partner must show; nil = nothing.
func credentials(c config.Credentials) *inbox.Credentials {
	if c.Login.User == "" && c.Bearer == "" && len(c.Client) == 0 {
		return nil
	}
	return &inbox.Credentials{User: c.Login.User, Password: c.Login.Password, Bearer: c.Bearer, Client: c.Client}
}

// client posts messages to a partner.
func client(p *config.Partner) *as2.Client { return as2.NewClient(clientOptions(p)) }

// receiptClient posts receipts to where a partner asks for them.
func receiptClient(p *config.Partner) *as2.Client { return as2.NewReceiptClient(clientOptions(p)) }

func clientOptions(p *config.Partner) as2.ClientOptions {
	c := p.Client
	o := as2.ClientOptions{
		ServerCertificates: p.Server, User: c.Login.User, Password: c.Login.Password, Bearer: c.Bearer, Proxy: proxy(c),
		Chunked: p.Quirks.Chunked, ExpectContinue: p.Quirks.ExpectContinue,
		Connect: p.Timeouts.Connect, Stall: p.Timeouts.Stall, Answer: p.Timeouts.Answer,
	}
	if k := c.Identity; k != nil {
		o.Identity = &tls.Certificate{PrivateKey: k.Key, Leaf: k.Certificate, Certificate: [][]byte{k.Certificate.Raw}}
		for _, issuer := range k.Chain {
			o.Identity.Certificate = append(o.Identity.Certificate, issuer.Raw)
		}
	}
	return o
}

// proxy is the way to a partner: nil = as the environment says, an empty URL = direct.
func proxy(c config.Client) *url.URL {
	switch c.Proxy {
	case "":
		return nil
	case "none":
		return &url.URL{}
	}
	u, err := url.Parse(c.Proxy)
	if err != nil {
		return &url.URL{} // config has read it already
	}
	if c.ProxyLogin.User != "" {
		u.User = url.UserPassword(c.ProxyLogin.User, c.ProxyLogin.Password)
	}
	return u
}

// pollOf is how long a worker of the partner sleeps at most.
func pollOf(p *config.Partner) time.Duration { return p.Outbox.Poll }
