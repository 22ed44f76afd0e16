package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// What a new password is hashed with: argon2id with 19 MiB, two passes, one lane, as OWASP's
// password storage cheat sheet has it.
const (
	memory   = 19 << 10 // KiB
	passes   = 2
	lanes    = 1
	saltSize = 16
	hashSize = 32
)

// Bounds of what a file may ask for: what others wrote is read, what would exhaust the
// machine is not.
const (
	maxMemory = 128 << 10 // KiB
	maxPasses = 16
	maxLanes  = 8
)

// Bounds of a password, in bytes and characters.
const (
	minPassword = 12
	maxPassword = 256
)

// CheckPassword says what is wrong with a password as a new one.
func CheckPassword(name, password string) error {
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword:
		return fmt.Errorf("the password has %d characters, it needs %d or more: a few words in a row are easy to remember", n, minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("the password has %d bytes, more than %d", len(password), maxPassword)
	case strings.Contains(strings.ToLower(password), strings.ToLower(name)) && len(name) > 2:
		return fmt.Errorf("the password has the name %s in it", name)
	case strings.Count(password, password[:1]) == len(password):
		return errors.New("the password is one character over and over")
	}
	return nil
}

// hash is a password as it is kept.
type hash struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

// newHash hashes a password with a new salt.
func newHash(password string) hash {
	h := hash{memory: memory, passes: passes, lanes: lanes, salt: make([]byte, saltSize)}
	rand.Read(h.salt)
	h.sum = h.of(password)
	return h
}

func (h hash) of(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, hashSize)
}

// fits compares in constant time.
func (h hash) fits(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password), h.sum) == 1
}

func (h hash) String() string {
	b := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes, b(h.salt), b(h.sum))
}

// parseHash reads the form of String, which is that of the reference implementation.
func parseHash(s string) (h hash, err error) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != "v="+strconv.Itoa(argon2.Version) {
		return h, fmt.Errorf("is no password hash that begins with $argon2id$v=%d$", argon2.Version)
	}
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); n != 3 || err != nil {
		return hash{}, fmt.Errorf("%q are no parameters of argon2id", f[3])
	}
	if h.memory < 8<<10 || h.memory > maxMemory || h.passes < 1 || h.passes > maxPasses || h.lanes < 1 || h.lanes > maxLanes {
		return hash{}, fmt.Errorf("%q is outside of what is accepted: m=8192 to %d, t=1 to %d, p=1 to %d", f[3], maxMemory, maxPasses, maxLanes)
	}
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(f[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return hash{}, errors.New("its salt is damaged")
	}
	if h.sum, err = base64.RawStdEncoding.Strict().DecodeString(f[5]); err != nil || len(h.sum) != hashSize {
		return hash{}, errors.New("its hash is damaged")
	}
	return h, nil
}

// Bounds of how much hashing happens: this many at a time, and this many wait for their turn.
const (
	parallel = 2
	queue    = 16
)

// hasher bounds what hashing costs.
type hasher struct {
	work chan struct{}
	wait chan struct{}
}

func newHasher() hasher {
	return hasher{make(chan struct{}, parallel), make(chan struct{}, parallel+queue)}
}

// fits compares a password with a hash when it is its turn.
func (w hasher) fits(ctx context.Context, h hash, password string) (bool, error) {
	select {
	case w.wait <- struct{}{}:
		defer func() { <-w.wait }()
	default:
		return false, ErrBusy
	}
	select {
	case w.work <- struct{}{}:
		defer func() { <-w.work }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return h.fits(password), nil
}
