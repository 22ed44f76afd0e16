package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// store takes a message whose receipt is wanted later. Its bytes are durable and on
// record before the sender is told that we have them; Work does the rest.
func (r *request) store(ctx context.Context) as2.Reply {
	if why := r.p.refuseURL(r.env.Receipt.Async); why != "" {
		return r.refuseLater(ctx, why)
	}
	id, err := ledger.NewID(r.Now(), r.Rand)
	if err != nil {
		return r.unavailable(err)
	}
	r.id = id
	defer r.stages(id)()
	defer r.letGo()
	err = r.makeStaging()
	if err == nil {
		err = r.keepHeader()
	}
	if err == nil {
		err = r.keepBody()
	}
	if err == nil {
		failpoint.Hit("after stage")
		err = r.admit(ctx, &ledger.Stored{ID: id, Partner: r.p.Name, From: r.env.From, To: r.env.To, MessageID: as2.StripID(r.env.MessageID),
			Remote: r.m.Remote, URL: r.env.Receipt.Async, At: r.at.UTC(), Open: true, Due: r.at.UTC()})
	}
	if errors.Is(err, errBodyTooLong) {
		reply := textReply(413, "The message is larger than this partner may send.")
		return r.recordRefusal(ctx, "none: HTTP 413", fmt.Sprintf("the message has more than %d bytes", r.p.maxBody()), reply, nil)
	}
	if err != nil {
		r.letGo()
		return r.unavailable(errors.Join(err, r.recoverStaging(ctx, r.p, id)))
	}
	failpoint.Hit("after stored")
	r.Log.Info("stored", "partner", r.p.Name, "received", id, "message_id", r.env.MessageID, "receipt_to", r.env.Receipt.Async)
	if r.Wake != nil {
		r.Wake(r.p.Name)
	}
	if r.p.revised() {
		return as2.Reply{Status: 204} // rfc4130bis, 5.5
	}
	return as2.Reply{Status: 200}
}

func (in *Inbox) insertStored(ctx context.Context, s *ledger.Stored) error {
	return in.Ledger.Update(ctx, func(tx *ledger.Tx) error { return tx.InsertStored(s) })
}

var errBodyTooLong = errors.New("the message is over the limit")

// maxBody is how many bytes a stored message may have, 0 = no limit: twice the payload
// covers every transfer encoding.
func (p *Partner) maxBody() int64 {
	if p.MaxMessage == 0 {
		return 0
	}
	return 2*p.MaxMessage + 1<<20
}

// keepBody writes the message as it comes to .incoming/<id> and syncs it.
func (r *request) keepBody() error {
	raw, err := r.create(rawFile)
	if err != nil {
		return err
	}
	body := r.m.Body
	limit := r.p.maxBody()
	if limit > 0 {
		body = io.LimitReader(body, limit+1)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{raw}, struct{ io.Reader }{body}, make([]byte, 64<<10))
	err = errors.Join(err, raw.Close())
	switch {
	case err != nil:
		return err
	case limit > 0 && n > limit:
		return errBodyTooLong
	case r.m.Length >= 0 && n != r.m.Length:
		return fmt.Errorf("inbox: %d bytes announced, %d came", r.m.Length, n)
	}
	return r.settle()
}

// readHeader reads the header of a stored message back.
func readHeader(fsys fsx.FS, id string) (http.Header, error) {
	b, err := fsx.ReadFile(fsys, path.Join(incoming(id), headerFile), 1<<20)
	if err != nil {
		return nil, err
	}
	return parseHeader(b)
}

// maxURL is the longest receipt URL that is taken, in bytes.
const maxURL = 2048

// refuseURL says why receipts are not posted to a URL; empty = they are. The URL comes
// from the sender: without this anybody could make us post wherever he likes.
func (p *Partner) refuseURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fmt.Sprintf("the receipt URL has more than %d characters", maxURL)
	case err != nil:
		return fmt.Sprintf("the receipt URL %q cannot be read", text)
	case p.Post == nil:
		return "asynchronous receipts are switched off for this partner"
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Sprintf("the receipt URL %q is neither https nor http", text)
	case u.Scheme == "http" && !p.ReceiptHTTP:
		return fmt.Sprintf("the receipt URL %q is not https", text)
	case u.User != nil:
		return fmt.Sprintf("the receipt URL to %q carries credentials", u.Host)
	}
	for _, agreed := range p.ReceiptHosts {
		if sameHost(u, agreed) {
			return ""
		}
	}
	return fmt.Sprintf("the host %q of the receipt URL is not agreed upon", u.Host)
}

// sameHost compares with a host, or a host and a port.
func sameHost(u *url.URL, agreed string) bool {
	a := &url.URL{Host: agreed}
	host := func(u *url.URL) string { return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) }
	if host(u) == "" || host(u) != host(a) {
		return false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return a.Port() == "" || a.Port() == port
}
