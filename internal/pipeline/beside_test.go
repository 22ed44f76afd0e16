package pipeline

import (
	"strings"
	"testing"
)

// Each of them waits for what another one does: they would never end one after the other.
func TestBesideIsAtTheSameTime(t *testing.T) {
	there, back, ended := make(chan struct{}), make(chan struct{}), 0
	Beside(
		func() { <-there; close(back) },
		func() { close(there); <-back; ended++ },
	)
	if ended != 1 {
		t.Error("it did not wait for the second one")
	}
	Beside()
}

func TestBesidePanicsWhereItWasCalled(t *testing.T) {
	for name, fs := range map[string][]func(){
		"the first":  {func() { panic("no luck") }, func() {}},
		"the second": {func() {}, func() { panic("no luck") }},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				text, _ := recover().(string)
				if !strings.HasPrefix(text, "no luck\n") || !strings.Contains(text, "beside_test.go") {
					t.Errorf("%q", text)
				}
			}()
			Beside(fs...)
			t.Error("no panic")
		})
	}
}
