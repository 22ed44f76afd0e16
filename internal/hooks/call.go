package hooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// NewClient makes what calls a service: TLS 1.2 or better, no redirects, and nobody but the
// given authorities, where there are any, vouches for its certificate.
func NewClient(authorities []*x509.Certificate) *http.Client {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(authorities) > 0 {
		settings.RootCAs = x509.NewCertPool()
		for _, c := range authorities {
			settings.RootCAs.AddCert(c)
		}
	}
	return &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call posts the input and reads the answer.
func (r *Runner) call(ctx context.Context, h *Hook, input []byte, answer *head) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(input))
	if err != nil {
		return failed("%v", err)
	}
	for name, values := range h.Header {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", r.Agent)
	response, err := h.Client.Do(request)
	if ctx.Err() != nil {
		err = &Failure{} // why it was ended says enough
		if response != nil {
			err = errors.Join(err, response.Body.Close())
		}
		return err
	}
	if err != nil {
		return failed("%s", shortLine(withoutURL(err)))
	}
	defer response.Body.Close() // what was read counts
	_, err = io.Copy(answer, io.LimitReader(response.Body, MaxAnswer+1))
	switch {
	case ctx.Err() != nil:
		return &Failure{}
	case err != nil:
		return failed("its answer broke off: %s", shortLine(err.Error()))
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return failed("it answered HTTP %d and redirects to %q: redirects are not followed", response.StatusCode, shortLine(response.Header.Get("Location")))
	case response.StatusCode/100 != 2:
		return failed("it answered HTTP %d%s", response.StatusCode, firstWords(answer.kept))
	}
	return nil
}

// withoutURL is a network error without the URL, which stands beside it anyway.
func withoutURL(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}

func firstWords(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	if text := shortLine(string(line)); text != "" {
		return fmt.Sprintf(": %s", text)
	}
	return ""
}
