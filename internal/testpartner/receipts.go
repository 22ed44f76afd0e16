package testpartner

import (
	"net/http"
	"time"

	"github.com/as2drop/as2drop/as2"
)

// spoilt takes the message and gives a receipt that states something else than the one
// that is stored for it.
func spoilt(name string, change func(*Partner, *as2.MDNOptions)) Behaviour {
	return Behaviour{Name: name, serve: func(v *visit) {
		if !v.read() {
			return
		}
		if _, ok := v.take(); !ok {
			return
		}
		s, _ := v.recall()
		mic := s.mic
		v.hand(v.p.receipt(s.env, &mic, as2.Processed, func(o *as2.MDNOptions) { change(v.p, o) }))
	}}
}

// Receipts that are not what they should be. The message is delivered all the same.
var (
	OtherMessageID = spoilt("receipt for another Message-ID", func(_ *Partner, o *as2.MDNOptions) { o.OriginalMessageID = "<another@sender.invalid>" })
	OtherMIC       = spoilt("receipt with another MIC", func(_ *Partner, o *as2.MDNOptions) {
		sum := append([]byte(nil), o.MIC.Sum...)
		sum[0] ^= 1
		o.MIC = &as2.MIC{Digest: o.MIC.Digest, Sum: sum}
	})
	NoMIC      = spoilt("receipt without MIC", func(_ *Partner, o *as2.MDNOptions) { o.MIC = nil })
	Unsigned   = spoilt("unsigned receipt", func(_ *Partner, o *as2.MDNOptions) { o.Sign = nil })
	ByStranger = spoilt("receipt signed by a stranger", func(p *Partner, o *as2.MDNOptions) { o.Sign = p.byStranger() })
)

// Rejects reads the message, delivers nothing and says no with a modifier.
func Rejects(modifier string) Behaviour {
	return Behaviour{Name: "negative receipt: " + modifier, serve: func(v *visit) {
		if !v.read() {
			return
		}
		env, err := as2.ParseEnvelope(v.r.Header)
		if err != nil {
			v.answer(http.StatusBadRequest, nil, nil)
			return
		}
		v.hand(v.p.receipt(env, nil, as2.Failed(modifier), nil))
	}}
}

// Answers reads the message, delivers nothing and answers with a status.
func Answers(name string, status int, body string, header ...as2.Field) Behaviour {
	return Behaviour{Name: name, serve: func(v *visit) {
		if v.read() {
			v.answer(status, header, []byte(body))
		}
	}}
}

// Status answers with a status and a few words.
func Status(status int) Behaviour {
	return Answers(statusName(status), status, "", as2.Field{Name: "Content-Type", Value: "text/plain"})
}

// Busy answers with a status and a Retry-After, as it stands.
func Busy(status int, retryAfter string) Behaviour {
	return Answers(statusName(status)+", Retry-After: "+retryAfter, status, "", as2.Field{Name: "Retry-After", Value: retryAfter})
}

// BusyUntil answers with a status and asks to wait until a date, by a clock of its own
// that is a day ahead.
func BusyUntil(status int, wait time.Duration) Behaviour {
	clock := time.Now().AddDate(0, 0, 1).UTC()
	return Answers(statusName(status)+", Retry-After: a date", status, "",
		as2.Field{Name: "Date", Value: clock.Format(http.TimeFormat)}, as2.Field{Name: "Retry-After", Value: clock.Add(wait).Format(http.TimeFormat)})
}

// Redirects points elsewhere.
func Redirects(status int, target string) Behaviour {
	return Answers(statusName(status), status, "", as2.Field{Name: "Location", Value: target})
}

// Page answers with a page for browsers.
func Page(status int, title string) Behaviour {
	return Answers("HTML page with "+http.StatusText(status), status, "<!DOCTYPE html>\n<html><head><title>"+title+"</title></head><body><h1>"+title+"</h1></body></html>\n",
		as2.Field{Name: "Content-Type", Value: "text/html; charset=utf-8"})
}

// Garbage says that it is a receipt and is none.
var Garbage = Answers("garbage for a receipt", http.StatusOK, "\x00\xff--x\r\nnot a receipt", as2.Field{Name: "Content-Type", Value: `multipart/report; report-type=disposition-notification; boundary="x"`})

// TakesEmpty delivers the message and answers with a status and nothing else.
func TakesEmpty(status int) Behaviour {
	return Behaviour{Name: "empty " + statusName(status), serve: func(v *visit) {
		if v.read() {
			if _, ok := v.take(); ok {
				v.answer(status, nil, nil)
			}
		}
	}}
}
