package alarms

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/as2drop/as2drop/internal/hooks"
)

// Header fields of what a web service gets.
const (
	TimestampField = "As2drop-Timestamp" // seconds since 1970 UTC
	SignatureField = "As2drop-Signature" // sha256= and the HMAC in hexadecimal
)

// Hook is a channel to a web service or a program.
type Hook struct {
	Hook   *hooks.Hook
	Runner *hooks.Runner
	Secret string // of the signature; empty = none
	Now    func() time.Time
}

// What is what is told. What stands behind the host of a URL is left out: with many services
// whoever knows it may write there.
func (h *Hook) What() string {
	if h.Hook.URL == "" {
		return h.Hook.What()
	}
	return h.discreet(h.Hook.URL)
}

// discreet is a text without what stands behind the host of the URL.
func (h *Hook) discreet(text string) string {
	u, err := url.Parse(h.Hook.URL)
	if err != nil || len(u.RequestURI()) < 2 {
		return text
	}
	return strings.ReplaceAll(text, u.RequestURI(), "/...")
}

// Signature is that of a body with its timestamp: HMAC-SHA-256 over both, with a dot between.
func Signature(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", timestamp, body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Send tells the service or program once.
func (h *Hook) Send(ctx context.Context, m *Message, told func(Step)) error {
	hook := *h.Hook
	told, over := inTurn(told)
	defer over()
	what, hint := "program", "try it by hand, as the user of the agent; it gets the JSON on standard input"
	if hook.URL != "" {
		what, hint = "request", "is the URL right, and does the log of the service say more?"
		hook.Header = hook.Header.Clone()
		if h.Secret != "" {
			at := fmt.Sprint(h.Now().Unix())
			hook.Header.Set(TimestampField, at)
			hook.Header.Set(SignatureField, Signature(h.Secret, at, m.JSON))
		}
		ctx = httptrace.WithClientTrace(ctx, trace(told))
	}
	err := h.Runner.Tell(ctx, &hook, m.JSON, map[string]string{"AS2DROP_ALARM": m.Subject, "AS2DROP_ALARM_ID": m.ID})
	var f *hooks.Failure
	switch {
	case errors.As(err, &f):
		return &Failure{what, h.discreet(f.Fact), hint}
	case err != nil:
		return &Failure{what, err.Error(), ""}
	case hook.URL != "":
		told(Step{"accepted", "the service answered with success"})
	default:
		told(Step{"accepted", "the program ended with exit code 0"})
	}
	return nil
}

// inTurn lets several tell one after the other, until it is over.
func inTurn(told func(Step)) (one func(Step), over func()) {
	var mu sync.Mutex
	ended := false
	one = func(s Step) {
		mu.Lock()
		defer mu.Unlock()
		if !ended {
			told(s)
		}
	}
	return one, func() { mu.Lock(); defer mu.Unlock(); ended = true }
}

// trace tells what happens on the way to a service.
func trace(told func(Step)) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSDone: func(i httptrace.DNSDoneInfo) {
			var addresses []string
			for _, a := range i.Addrs {
				addresses = append(addresses, a.String())
			}
			if i.Err == nil {
				told(Step{"DNS", strings.Join(addresses, ", ")})
			}
		},
		ConnectDone: func(_, address string, err error) {
			if err == nil {
				told(Step{"connect", "to " + address})
			}
		},
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			if err == nil {
				told(Step{"TLS", fmt.Sprintf("%s, certificate %q until %s", tls.VersionName(s.Version), s.PeerCertificates[0].Subject, s.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly))})
			}
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err == nil {
				told(Step{"request", "is sent"})
			}
		},
	}
}
