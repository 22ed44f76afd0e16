package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// policy of all pages: everything comes from here, and no script or style from a page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// protect sets what every answer has. The referrer stays within the console; with
// no-referrer browsers would hide the origin of our own forms, too. There is no
// Strict-Transport-Security: it would bind other services on other ports of this host.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
}

// foreign says why a request is not for us; empty = it is. A page elsewhere can have its own
// name point to this machine (DNS rebinding), and its scripts then read what we answer: the
// Host header still has that name. An address in digits is nobody's name.
func (s *Server) foreign(r *http.Request) string {
	c := s.o.Config().Console
	host := hostOf(r.Host)
	if c.PublicURL == "" || !c.BehindProxy {
		for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "Forwarded"} {
			if r.Header.Get(h) != "" && !isPublic(c.PublicURL, host) {
				return "This request came through a proxy. Set console.public_url in the config to the URL that people type, and console.behind_proxy if the proxy ends TLS."
			}
		}
	}
	if isPublic(c.PublicURL, host) {
		return ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && (!c.Beyond() || len(c.Certificates) > 0 || ip.IsLoopback()) {
		return ""
	}
	if host == "localhost" {
		return ""
	}
	if len(c.Certificates) > 0 && c.Certificates[0].VerifyHostname(host) == nil {
		return ""
	}
	return "This console is not known as " + strings.Map(printable, host) + ". Use its address, or set console.public_url in the config to the URL that people type."
}

func isPublic(public, host string) bool {
	u, err := url.Parse(public)
	return public != "" && err == nil && strings.EqualFold(u.Hostname(), host)
}

func hostOf(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(s, "[]"), "."))
}

func printable(r rune) rune {
	if r < 0x21 || r > 0x7e {
		return '?'
	}
	return r
}

// address is where a request comes from: by the proxy's word if the config says that there
// is one.
func (s *Server) address(r *http.Request) string {
	if s.o.Config().Console.BehindProxy {
		all := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if last := strings.TrimSpace(all[len(all)-1]); last != "" {
			return last
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// secure reports whether browsers reach the console through TLS.
func (s *Server) secure(r *http.Request) bool {
	c := s.o.Config().Console
	return r.TLS != nil || c.BehindProxy || strings.HasPrefix(c.PublicURL, "https:") && isPublic(c.PublicURL, hostOf(r.Host))
}
