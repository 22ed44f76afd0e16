package ledger

import (
	"bytes"
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/cases"
)

var (
	bg     = context.Background()
	moment = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	fold   = cases.Fold().String
)

func open1(t testing.TB) *Ledger {
	t.Helper()
	l, err := Open(filepath.Join(t.TempDir(), "ledger.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func update(t testing.TB, l *Ledger, f func(*Tx) error) {
	t.Helper()
	if err := l.Update(bg, f); err != nil {
		t.Fatal(err)
	}
}

func transfer(id string) *Transfer {
	return &Transfer{ID: id, Partner: "acme", Key: "INV-1", State: StateClaiming, Created: moment, Due: moment,
		Members: []Member{{Name: "INV-1.xml", Role: RoleDocument, Size: 10, MTime: 5, Identity: "1-2"}}}
}

func TestTransferSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := transfer("t1")
	want.Receipt = []byte("receipt")
	update(t, l, func(tx *Tx) error { return tx.InsertTransfer(want) })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = l.View(bg, func(tx *Tx) error {
		got, err := tx.Transfer("t1")
		if !reflect.DeepEqual(got, *want) {
			t.Errorf("got  %+v\nwant %+v", got, *want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNewID(t *testing.T) {
	a, err := NewID(moment, bytes.NewReader([]byte{0, 0, 0, 0, 1}))
	b, err2 := NewID(moment.Add(time.Millisecond), bytes.NewReader(make([]byte, 5)))
	if err != nil || err2 != nil || len(a) != 18 || a >= b || strings.ContainsAny(a, "ilou") || a[17] != '1' {
		t.Errorf("%q %q %v %v", a, b, err, err2)
	}
	if _, err := NewID(moment, bytes.NewReader(nil)); err == nil {
		t.Error("an identifier without random bytes")
	}
}
