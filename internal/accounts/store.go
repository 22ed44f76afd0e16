package accounts

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Store answers who somebody is. It is safe for use by several goroutines.
type Store struct {
	users  *cached[User]
	tokens *cached[Token]
	hasher hasher
	limit  *limiter
	nobody hash // what the password of a name that does not exist is compared with
}

// Open returns the accounts of two files. Neither must exist.
func Open(usersFile, tokensFile string) *Store {
	return &Store{
		users:  &cached[User]{file: usersFile, read: ReadUsers},
		tokens: &cached[Token]{file: tokensFile, read: ReadTokens},
		hasher: newHasher(), limit: newLimiter(), nobody: newHash("somebody who does not exist"),
	}
}

// HasUsers reports whether there is a users' file, also if nobody is in it. Once there is
// one, nobody gets in without signing in.
func (s *Store) HasUsers() (bool, error) {
	_, err := s.users.get()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return true, err
}

// SignIn checks a name and a password that came from an address. The stamp changes with the
// user's password and role. On ErrTooMany it says how long to wait.
func (s *Store) SignIn(ctx context.Context, name, password, address string, now time.Time) (Identity, Stamp, time.Duration, error) {
	users, err := s.users.get()
	if err != nil {
		return Identity{}, Stamp{}, 0, err
	}
	// What cannot be a name is not looked for: some of its spellings would be those of one
	// user, and count as tries of another.
	if CheckName(name) != nil || len(password) > maxPassword {
		return Identity{}, Stamp{}, 0, ErrWrong
	}
	if wait := s.limit.begin(name, address, now); wait > 0 {
		return Identity{}, Stamp{}, wait, ErrTooMany
	}
	h, i := s.nobody, findUser(users, name)
	if i >= 0 {
		h = users[i].hash
	}
	ok, err := s.hasher.fits(ctx, h, password)
	switch {
	case err != nil:
		s.limit.undecided(name, address)
		return Identity{}, Stamp{}, 0, err
	case !ok || i < 0:
		return Identity{}, Stamp{}, 0, ErrWrong
	}
	s.limit.succeeded(name, address)
	return Identity{users[i].Name, users[i].Role, "console"}, users[i].stamp(), 0, nil
}

// Stamp is a user as it was at sign-in.
type Stamp [sha256.Size]byte

func (u User) stamp() Stamp {
	return sha256.Sum256([]byte(u.Name + " " + string(u.Role) + " " + u.hash.String()))
}

// Still reports whether a user is as it was at sign-in: there, with the same password and role.
func (s *Store) Still(name string, stamp Stamp) bool {
	users, err := s.users.get()
	i := findUser(users, name)
	return err == nil && i >= 0 && users[i].stamp() == stamp
}

// Token finds out whose token it is. It is looked for by its digest, so the time that this
// takes tells nothing of others.
func (s *Store) Token(token string, now time.Time) (Identity, error) {
	tokens, err := s.tokens.get()
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, ErrToken
	}
	if err != nil {
		return Identity{}, err
	}
	sum := sha256.Sum256([]byte(token))
	for _, t := range tokens {
		if t.sum == sum && !t.Expired(now) {
			return Identity{t.Name, t.Role, "API"}, nil
		}
	}
	return Identity{}, ErrToken
}

// cached is a file that is read again when it has changed.
type cached[T any] struct {
	file string
	read func(string) ([]T, error)

	mu    sync.Mutex
	stamp fileStamp
	known bool
	all   []T
	err   error
}

type fileStamp struct {
	size  int64
	mtime time.Time
	info  fs.FileInfo
}

func (a fileStamp) same(b fileStamp) bool {
	if a.info == nil || b.info == nil {
		return a.info == b.info
	}
	return a.size == b.size && a.mtime.Equal(b.mtime) && os.SameFile(a.info, b.info)
}

func (c *cached[T]) get() ([]T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var now fileStamp
	info, err := os.Stat(c.file)
	if err == nil {
		now = fileStamp{info.Size(), info.ModTime(), info}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err // of the folder; it may pass
	}
	if !c.known || !c.stamp.same(now) || c.err != nil && now.info != nil {
		c.all, c.err = c.read(c.file)
		c.stamp, c.known = now, true
	}
	return c.all, c.err
}
