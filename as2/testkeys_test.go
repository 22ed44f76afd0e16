package as2

import (
	"crypto/x509"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/crashtest"
)

var moment = crashtest.Moment

func ours() cms.Identity     { return crashtest.Identities()[0] }
func partners() cms.Identity { return crashtest.Identities()[1] }
func stranger() cms.Identity { return crashtest.Identities()[2] }

func signer(id cms.Identity, d cms.Digest) *cms.Signer { return crashtest.Signer(id, d) }

func certs(ids ...cms.Identity) (cs []*x509.Certificate) {
	for _, id := range ids {
		cs = append(cs, id.Certificate)
	}
	return cs
}

func trust(ids ...cms.Identity) cms.Trust { return cms.Pinned(certs(ids...)...) }

func to(ids ...cms.Identity) (rs []cms.Recipient) {
	for _, c := range certs(ids...) {
		rs = append(rs, cms.Recipient{Certificate: c})
	}
	return rs
}
