package accounts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/fsx"
)

// AddUser adds a user to a file, which is made if it is not there.
func AddUser(file, name string, role Role, password string) error {
	return editUsers(file, func(users []User) ([]User, error) {
		if err := errors.Join(CheckName(name), CheckPassword(name, password)); err != nil {
			return nil, err
		}
		if i := findUser(users, name); i >= 0 {
			return nil, fmt.Errorf("%s has a user %s already, as %s; give it another password with: as2drop user password %s", file, users[i].Name, users[i].Role, users[i].Name)
		}
		return append(users, User{name, role, newHash(password)}), nil
	})
}

// RemoveUser removes a user. The sessions of that user end with it.
func RemoveUser(file, name string) error {
	return editUsers(file, func(users []User) ([]User, error) {
		i := findUser(users, name)
		if i < 0 {
			return nil, noUser(file, name)
		}
		return slices.Delete(users, i, i+1), nil
	})
}

// SetPassword gives a user another password. The sessions of that user end.
func SetPassword(file, name, password string) error {
	return editUsers(file, func(users []User) ([]User, error) {
		i := findUser(users, name)
		if i < 0 {
			return nil, noUser(file, name)
		}
		if err := CheckPassword(name, password); err != nil {
			return nil, err
		}
		users[i].hash = newHash(password)
		return users, nil
	})
}

func noUser(file, name string) error {
	return fmt.Errorf("%s has no user %q; as2drop user list shows them", file, name)
}

func findUser(users []User, name string) int {
	return slices.IndexFunc(users, func(u User) bool { return strings.EqualFold(u.Name, name) })
}

// tokenPrefix lets people, and programs that look for secrets, see what it is.
const tokenPrefix = "as2drop_"

// AddToken makes a token, whose text is nowhere but in the result. A zero moment means that
// it never expires.
func AddToken(file, name string, role Role, expires, now time.Time) (token string, err error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret)
	return token, editTokens(file, func(tokens []Token) ([]Token, error) {
		if err := CheckName(name); err != nil {
			return nil, err
		}
		if i := findToken(tokens, name); i >= 0 {
			return nil, fmt.Errorf("%s has a token %s already; remove it first, or take another name", file, tokens[i].Name)
		}
		return append(tokens, Token{name, role, expires, now, sha256.Sum256([]byte(token))}), nil
	})
}

// RemoveToken removes a token, which is worth nothing from then on.
func RemoveToken(file, name string) error {
	return editTokens(file, func(tokens []Token) ([]Token, error) {
		i := findToken(tokens, name)
		if i < 0 {
			return nil, fmt.Errorf("%s has no token %q; as2drop token list shows them", file, name)
		}
		return slices.Delete(tokens, i, i+1), nil
	})
}

func findToken(tokens []Token, name string) int {
	return slices.IndexFunc(tokens, func(t Token) bool { return strings.EqualFold(t.Name, name) })
}

func editUsers(file string, change func([]User) ([]User, error)) error {
	return edit(file, "# Users of the console: name, role, password hash. Written by as2drop user.", ReadUsers, change,
		func(u User) string { return fmt.Sprintf("%s %s %s", u.Name, u.Role, u.hash) })
}

func editTokens(file string, change func([]Token) ([]Token, error)) error {
	return edit(file, "# Tokens of the API: name, role, end, made at, digest. Written by as2drop token.", ReadTokens, change,
		func(t Token) string {
			end := never
			if !t.Expires.IsZero() {
				end = t.Expires.UTC().Format(time.RFC3339)
			}
			return fmt.Sprintf("%s %s %s %s sha256:%x", t.Name, t.Role, end, t.Created.UTC().Format(time.RFC3339), t.sum)
		})
}

// lockWait is how long somebody else may take to edit the same file.
const lockWait = 30 * time.Second

// edit changes a file in one step; two edits at a time follow each other.
func edit[T any](file, head string, read func(string) ([]T, error), change func([]T) ([]T, error), line func(T) string) (err error) {
	if err := access.MkdirAll(filepath.Dir(file)); err != nil {
		return err
	}
	lock := flock.New(file+".lock", flock.SetFlag(lockFlags), flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	if ok, err := lock.TryLockContext(ctx, 20*time.Millisecond); !ok {
		return fmt.Errorf("%s is being changed by somebody else: %w", file, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	accounts, err := read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if accounts, err = change(accounts); err != nil {
		return err
	}
	text := head + "\n"
	for _, a := range accounts {
		text += line(a) + "\n"
	}
	dir, err := fsx.OpenRoot(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := fsx.Rewrite(dir, filepath.Base(file), 0o600, []byte(text)); err != nil {
		return err
	}
	return ownedLikeFolder(file)
}
