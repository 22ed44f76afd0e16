package as2

import (
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What a sender must show: the answer is a challenge and never a receipt, and the
// reason for our log has no secret in it.
func TestCredentials(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	now := time.Now()
	client := issue(t, ca, nil).Leaf
	expired := issue(t, ca, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-3*time.Hour), now.Add(-2*time.Hour) }).Leaf
	server := issue(t, ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }).Leaf
	basic, bearer := Credentials{User: "me", Password: "top:secret"}, Credentials{Bearer: "top-secret"}
	either := Credentials{User: "me", Password: "top:secret", Bearer: "top-secret"}
	both := Credentials{Bearer: "top-secret", Client: []*x509.Certificate{ca.cert}}
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct {
		want      Credentials
		header    string
		shown     []*x509.Certificate
		status    int // 0 = let in
		challenge string
	}{
		"nothing is wanted":                {Credentials{}, "", nil, 0, ""},
		"nothing is wanted, and all shown": {Credentials{}, "Basic " + encode("a:b"), []*x509.Certificate{client}, 0, ""},
		"basic":                            {basic, "Basic " + encode("me:top:secret"), nil, 0, ""},
		"basic, scheme in lower case":      {basic, "basic  " + encode("me:top:secret") + " ", nil, 0, ""},
		"basic, no header":                 {basic, "", nil, 401, `Basic realm="AS2", charset="UTF-8"`},
		"basic, another password":          {basic, "Basic " + encode("me:top:secres"), nil, 401, "Basic "},
		"basic, another user":              {basic, "Basic " + encode("mf:top:secret"), nil, 401, "Basic "},
		"basic, a prefix":                  {basic, "Basic " + encode("me:top"), nil, 401, "Basic "},
		"basic, no base64":                 {basic, "Basic me:top:secret", nil, 401, "Basic "},
		"basic wanted, bearer shown":       {basic, "Bearer me:top:secret", nil, 401, "Basic "},
		"bearer":                           {bearer, "Bearer top-secret", nil, 0, ""},
		"bearer, another one":              {bearer, "Bearer top-secre", nil, 401, `Bearer realm="AS2"`},
		"bearer wanted, basic shown":       {bearer, "Basic " + encode("top-secret"), nil, 401, "Bearer "},
		"a scheme nobody knows":            {bearer, "Digest top-secret", nil, 401, "Bearer "},
		"either, basic shown":              {either, "Basic " + encode("me:top:secret"), nil, 0, ""},
		"either, bearer shown":             {either, "Bearer top-secret", nil, 0, ""},
		"either, none shown":               {either, "", nil, 401, "Basic "},
		"a user without password":          {Credentials{User: "me"}, "Basic " + encode("me:"), nil, 0, ""},
		"a client of the authority":        {Credentials{Client: []*x509.Certificate{ca.cert}}, "", []*x509.Certificate{client}, 0, ""},
		"a pinned client":                  {Credentials{Client: []*x509.Certificate{client}}, "", []*x509.Certificate{client}, 0, ""},
		"a pinned client that expired":     {Credentials{Client: []*x509.Certificate{expired}}, "", []*x509.Certificate{expired}, 0, ""},
		"no client":                        {Credentials{Client: []*x509.Certificate{ca.cert}}, "", nil, 403, ""},
		"a client of another authority":    {Credentials{Client: []*x509.Certificate{other.cert}}, "", []*x509.Certificate{client}, 403, ""},
		"another client than pinned":       {Credentials{Client: []*x509.Certificate{server}}, "", []*x509.Certificate{client}, 403, ""},
		"an expired client":                {Credentials{Client: []*x509.Certificate{ca.cert}}, "", []*x509.Certificate{expired}, 403, ""},
		"a certificate for servers":        {Credentials{Client: []*x509.Certificate{ca.cert}}, "", []*x509.Certificate{server}, 403, ""},
		"the right one behind a wrong one": {Credentials{Client: []*x509.Certificate{client}}, "", []*x509.Certificate{server, client}, 403, ""},
		"bearer and client":                {both, "Bearer top-secret", []*x509.Certificate{client}, 0, ""},
		"bearer and client, no client":     {both, "Bearer top-secret", nil, 403, ""},
		"bearer and client, client alone":  {both, "", []*x509.Certificate{client}, 401, "Bearer "},
		"a pinned client is no authority":  {Credentials{Client: []*x509.Certificate{issueUnder(t, client)}}, "", []*x509.Certificate{client}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			if c.header != "" {
				h.Set("Authorization", c.header)
			}
			reply, err := c.want.Check(&Message{Header: h, Certificates: c.shown}, now)
			if reply.Status != c.status || (err == nil) != (c.status == 0) || !strings.HasPrefix(Get(reply.Header, "WWW-Authenticate"), c.challenge) {
				t.Errorf("%+v, %v", reply, err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(string(reply.Body), "secret") || Get(reply.Header, "Content-Type") != "text/plain; charset=utf-8") {
				t.Errorf("%+v, %v", reply, err)
			}
			if c.challenge == "" && Get(reply.Header, "WWW-Authenticate") != "" {
				t.Error("a challenge that no header can meet")
			}
		})
	}
}

// The moment decides, not the clock.
func TestClientCertificatesAtAMoment(t *testing.T) {
	ca := newAuthority(t)
	client := issue(t, ca, nil).Leaf
	want, m := Credentials{Client: []*x509.Certificate{ca.cert}}, &Message{Header: http.Header{}, Certificates: []*x509.Certificate{client}}
	for at, ok := range map[time.Time]bool{client.NotAfter: true, client.NotAfter.Add(time.Second): false, client.NotBefore.Add(-time.Second): false} {
		if reply, err := want.Check(m, at); (err == nil) != ok {
			t.Errorf("at %v: %+v, %v", at, reply, err)
		}
	}
}

// issueUnder makes an unrelated certificate with the subject of another one.
func issueUnder(t *testing.T, like *x509.Certificate) *x509.Certificate {
	return issue(t, authority{}, func(c *x509.Certificate) { c.Subject = like.Issuer }).Leaf
}
