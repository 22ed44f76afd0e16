package testpartner

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"github.com/as2drop/as2drop/as2"
)

// poster posts receipts. They are signed; whom it talks to does not matter here.
var poster = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}, Timeout: 30 * time.Second}

// receiptPause is the wait before a receipt that nobody took is posted again.
const receiptPause = 100 * time.Millisecond

// owe counts a receipt that is to be posted.
func (p *Partner) owe(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed += n
	p.change()
}

// deliverReceipt posts a receipt that is owed until somebody takes or refuses it.
func (p *Partner) deliverReceipt(url string, r reply) {
	defer p.owe(-1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		select {
		case <-p.closed:
			stop()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(r.body))
		if err != nil {
			p.complain("%q is no URL for receipts: %v", url, err)
			return
		}
		for _, f := range r.header {
			req.Header[f.Name] = append(req.Header[f.Name], f.Value)
		}
		res, err := poster.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode < 500 {
				p.mu.Lock()
				p.posted = append(p.posted, res.StatusCode)
				p.mu.Unlock()
				return
			}
		}
		p.pause(receiptPause, ctx.Done())
	}
}

// later takes the message, answers 200 with nothing, and posts receipts one after the
// other. On the connection itself nothing can be told later: there it is Well.
func later(name string, receipts func(*Partner, stored) []reply) Behaviour {
	return Behaviour{Name: name, serve: func(v *visit) {
		r, ok := v.reply()
		if !ok {
			return
		}
		s, _ := v.recall()
		if s.env.Receipt.Async == "" {
			v.hand(r)
			return
		}
		list := receipts(v.p, s)
		v.p.owe(len(list))
		v.answer(http.StatusOK, nil, nil)
		v.p.served.Go(func() {
			for _, r := range list {
				v.p.deliverReceipt(s.env.Receipt.Async, r)
			}
		})
	}}
}

// Receipts that come on a connection of their own.
var (
	ReceiptTwice = later("the same receipt twice", func(_ *Partner, s stored) []reply { return []reply{s.receipt, s.receipt} })
	Contradicts  = later("a receipt, then one that contradicts it", func(p *Partner, s stored) []reply {
		return []reply{s.receipt, p.receipt(s.env, nil, as2.Failed(as2.UnexpectedProcessing), nil)}
	})
	NeverReceipt = later("no receipt ever comes", func(*Partner, stored) []reply { return nil })
)

// ReceiptFirst posts the receipt before it answers the POST.
var ReceiptFirst = Behaviour{Name: "the receipt before the answer", serve: func(v *visit) {
	r, ok := v.reply()
	if !ok {
		return
	}
	if s, _ := v.recall(); s.env.Receipt.Async != "" {
		v.p.owe(1)
		v.p.deliverReceipt(s.env.Receipt.Async, r)
		v.answer(http.StatusOK, nil, nil)
		return
	}
	v.hand(r)
}}
