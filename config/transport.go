package config

import (
	"mime"
	"net"
	"net/url"
	"strings"

	"github.com/as2drop/as2drop/as2"
)

// receipts checks what is said about receipts, and fills in where ours are awaited and
// the partner's may go.
func (f *finisher) receipts(p *Partner, path string) {
	u, err := url.Parse(p.URL)
	if len(p.Receive.ReceiptHosts) == 0 && err == nil && u.Hostname() != "" {
		p.Receive.ReceiptHosts = []string{u.Hostname()}
	}
	for i, host := range p.Receive.ReceiptHosts {
		if !validHost(host) {
			f.report(item(path+".receive.receipt_hosts", i), "write for example as2.example.com or as2.example.com:8443", "%q is no host", host)
		}
	}
	if r := p.Receive.ReceiptRetry; r.Max < r.First {
		f.report(path+".receive.receipt_retry.max", "", "%v is shorter than first: %v", r.Max, r.First)
	}
	if p.Send.ReceiptURL != "" {
		f.httpURL(path+".send.receipt_url", p.Send.ReceiptURL, "https://as2.example.com:8443/as2")
	}
	if !p.Send.Async {
		return
	}
	at := path + ".send.receipt_delivery"
	if p.Send.Receipt == "none" {
		f.report(at, "remove it, or ask for a receipt", "no receipt is asked for")
		return
	}
	if len(f.config.Listen) == 0 {
		f.report(at, "add an address to listen", "asynchronous receipts cannot be received, nothing is listened on")
		return
	}
	if p.Send.ReceiptURL == "" {
		p.Send.ReceiptURL = f.ownURL()
	}
	if p.Send.ReceiptURL == "" {
		f.report(at, "set listen[0].public_url, or receipt_url of this partner", "no address that is listened on says how partners reach it")
	}
}

func validHost(host string) bool {
	u, err := url.Parse("//" + host)
	return err == nil && u.Hostname() != "" && u.Host == host
}

// ownURL is where partners reach us: the first public_url, or else the first address
// that names a host and ends TLS itself.
func (f *finisher) ownURL() string {
	for _, l := range f.config.Listen {
		if l.PublicURL != "" {
			return l.PublicURL
		}
	}
	for _, l := range f.config.Listen {
		host, port, err := net.SplitHostPort(l.Address)
		if ip := net.ParseIP(host); err != nil || l.BehindProxy || host == "" || port == "0" || ip != nil && ip.IsUnspecified() {
			continue
		}
		return "https://" + l.Address + l.Path
	}
	return ""
}

// client checks how we show who we are, and what the partner must show.
func (f *finisher) client(p *Partner, path string) {
	at := path + ".client"
	if p.Client.BearerFile != "" && p.Client.Login.User != "" {
		f.report(at+".bearer_file", "keep one of the two", "there is basic already, and a request has one Authorization field")
	}
	if strings.HasPrefix(p.URL, "http://") && (p.Client.BearerFile != "" || p.Client.Login.User != "") {
		f.warn(path+".url", "use https", "our credentials go over plain HTTP, readable by everybody on the way")
	}
	if p.Client.Proxy != "" && p.Client.Proxy != "none" {
		if u := f.httpURL(at+".proxy", p.Client.Proxy, "http://proxy.example.com:3128"); u != nil && strings.Trim(u.Path, "/")+u.RawQuery != "" {
			f.report(at+".proxy", "write for example http://proxy.example.com:3128", "a proxy has no path, this is %q", p.Client.Proxy)
		}
	}
	if p.Client.ProxyLogin.User != "" && (p.Client.Proxy == "" || p.Client.Proxy == "none") {
		f.report(at+".proxy_login", "name the proxy with: proxy", "there is no proxy to log in at")
	}
	if t := p.Send.ContentType; t != "" {
		if _, _, err := mime.ParseMediaType(t); err != nil || !strings.Contains(t, "/") {
			f.report(path+".send.content_type", "write for example application/edi-consent", "%q is no media type", t)
		}
	}
	if p.Receive.Credentials.BearerFile != "" && p.Receive.Credentials.Login.User != "" {
		f.report(path+".receive.credentials.bearer_file", "keep one of the two", "there is a user already, and a request has one Authorization field")
	}
	if len(p.Receive.Credentials.ClientFiles) == 0 {
		return
	}
	for _, l := range f.config.Listen {
		if !l.BehindProxy {
			return
		}
	}
	f.report(path+".receive.credentials.client_certificates", "listen on an address with a certificate", "no client certificate is seen behind a proxy that ends TLS")
}

// badHeader says why the name of a header field cannot be had, and what to do.
func badHeader(name string) (fact, hint string) {
	lower := strings.ToLower(name)
	switch lower {
	case "authorization":
		return "a secret does not belong into this file, whose text is kept in the ledger", "set client.basic or client.bearer_file"
	case "proxy-authorization":
		return "a secret does not belong into this file, whose text is kept in the ledger", "set client.proxy_login"
	case "subject", "content-type":
		return "is set otherwise", "set send." + strings.ReplaceAll(lower, "-", "_")
	case "transfer-encoding", "expect", "content-transfer-encoding":
		return "is set otherwise", "see quirks"
	}
	if as2.Reserved(name) {
		return "is a header field that AS2 or HTTP sets itself", "remove it"
	}
	return "", ""
}
