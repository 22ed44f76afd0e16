package outbox

import (
	"net/http"
	"testing"

	"github.com/as2drop/as2drop/ledger"
)

// A partner may send several receipts for one message, and all of them count. What is read back
// is the one that was filed with it, wherever its name stands among the others.
func TestTheReceiptThatWasFiledIsReadBack(t *testing.T) {
	receipts := []Answered{}
	for _, id := range []string{"<1@acme>", "<2@acme>", "<3@acme>"} {
		receipts = append(receipts, Answered{File: id, Header: http.Header{"Message-Id": {id}}, Body: []byte("received")})
	}
	for i, filedWith := range receipts {
		r := remains{receipts: append([]Answered{}, receipts...), filed: &ledger.Transfer{Receipt: rawReceipt(filedWith.Header, filedWith.Body)}}
		if r.filedWithFirst(); r.receipts[0].File != filedWith.File || len(r.receipts) != len(receipts) {
			t.Errorf("filed with receipt %d: the first of %d is %s", i, len(r.receipts), r.receipts[0].File)
		}
	}
	r := remains{receipts: append([]Answered{}, receipts...)}
	if r.filedWithFirst(); r.receipts[0].File != receipts[0].File {
		t.Error("the order changes where nothing was filed")
	}
}
