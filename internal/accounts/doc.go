// Package accounts knows who may use the console and the API, and as what.
//
// Users sign in with a name and a password and get a session; programs show a token with
// each request. Both have a role: a viewer reads, an operator also acts. They stand in two
// text files of the operator, one account per line, that are read again when they change:
// what as2drop user and as2drop token write counts at once, and a session ends with its user.
//
//	anna operator $argon2id$v=19$m=19456,t=2,p=1$...$...
//	prometheus viewer 2027-11-26T00:00:00Z 2026-11-26T09:12:00Z sha256:...
//
// No password and no token can be read from them. A file that cannot be understood lets
// nobody in, and the error says which line it is. Passwords are compared in constant time and
// after the same work whether the name exists or not; two are worked on at a time, a few wait,
// and the rest is told to come again, so that sign-in costs no more than 60 MiB of memory.
// Names and addresses that fail too often wait.
//
// Package web is what answers requests with it; it never writes the files.
package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// Role is what an account may do.
type Role string

// The roles. An operator may do what a viewer may.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
)

// ParseRole reads a role.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case Viewer, Operator:
		return r, nil
	}
	return "", fmt.Errorf("%q is no role: it is viewer (reads) or operator (also acts)", s)
}

// May reports whether the role includes another one.
func (r Role) May(need Role) bool { return r == need || r == Operator && need == Viewer }

// Identity is who asks.
type Identity struct {
	Name string // of the user or token; empty = nobody in particular
	Role Role
	Way  string // console or API
}

// By is the name as it is recorded with what somebody does: "anna (console)". It cannot be
// mistaken for the agent itself or a user of the machine.
func (i Identity) By() string { return cmp.Or(i.Name, "somebody") + " (" + i.Way + ")" }

// What is wrong with what somebody shows. Texts for people are in package web.
var (
	ErrWrong   = errors.New("name or password is wrong")
	ErrToken   = errors.New("the token is unknown, was removed or has expired")
	ErrTooMany = errors.New("too many tries")
	ErrBusy    = errors.New("too many people sign in at this moment")
)

type contextKey struct{}

// With notes who asks.
func With(ctx context.Context, i Identity) context.Context {
	return context.WithValue(ctx, contextKey{}, i)
}

// From is who asks; the zero Identity may do nothing.
func From(ctx context.Context) Identity {
	i, _ := ctx.Value(contextKey{}).(Identity)
	return i
}
