package accounts

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
)

// User is one line of the users' file.
type User struct {
	Name string
	Role Role
	hash hash
}

// Token is one line of the tokens' file.
type Token struct {
	Name    string
	Role    Role
	Expires time.Time // zero = never
	Created time.Time
	sum     [sha256.Size]byte
}

// Expired reports whether its time is over.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// maxFile bounds a file of accounts, in bytes: some ten thousand lines.
const maxFile = 2 << 20

// CheckName says what is wrong with the name of a user or token.
func CheckName(name string) error {
	for i, r := range name {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-@", r)) {
			return fmt.Errorf("%q cannot be a name: it has letters, digits, dots, hyphens, underscores and @, and begins with a letter or digit", name)
		}
	}
	if name == "" || len(name) > 64 {
		return fmt.Errorf("%q cannot be a name: it has 1 to 64 characters", name)
	}
	return nil
}

// ReadUsers reads a users' file. One that is not there has an error that is fs.ErrNotExist.
func ReadUsers(file string) ([]User, error) {
	return read(file, func(f []string) (u User, err error) {
		if len(f) != 3 {
			return u, errors.New("has not three fields: name, role and password hash")
		}
		if u.Role, err = ParseRole(f[1]); err == nil {
			u.Name = f[0]
			u.hash, err = parseHash(f[2])
		}
		return u, err
	}, func(u User) string { return u.Name })
}

// ReadTokens reads a tokens' file.
func ReadTokens(file string) ([]Token, error) {
	return read(file, func(f []string) (t Token, err error) {
		if len(f) != 5 {
			return t, errors.New("has not five fields: name, role, end or never, moment it was made, and sha256:digest")
		}
		t.Name = f[0]
		if t.Role, err = ParseRole(f[1]); err != nil {
			return t, err
		}
		if f[2] != never {
			if t.Expires, err = time.Parse(time.RFC3339, f[2]); err != nil {
				return t, fmt.Errorf("%q is no moment such as 2027-11-26T00:00:00Z, and not never", f[2])
			}
		}
		if t.Created, err = time.Parse(time.RFC3339, f[3]); err != nil {
			return t, fmt.Errorf("%q is no moment such as 2027-11-26T00:00:00Z", f[3])
		}
		digest, ok := strings.CutPrefix(f[4], "sha256:")
		sum, err := hex.DecodeString(digest)
		if !ok || err != nil || copy(t.sum[:], sum) != sha256.Size || len(sum) != sha256.Size {
			return t, errors.New("its digest is damaged")
		}
		return t, nil
	}, func(t Token) string { return t.Name })
}

// never is the end of a token that has none.
const never = "never"

// read reads accounts, one per line; empty lines and those that begin with # count for
// nothing. All of the file counts, or none of it.
func read[T any](file string, parse func([]string) (T, error), name func(T) string) (all []T, err error) {
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	seen := map[string]int{}
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		account, err := parse(strings.Fields(line))
		if err == nil {
			err = CheckName(name(account))
		}
		key := strings.ToLower(name(account))
		if first := seen[key]; err == nil && first > 0 {
			err = fmt.Errorf("%s is on line %d already", name(account), first)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		seen[key] = n
		all = append(all, account)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

func readFile(file string) (text []byte, err error) {
	dir, err := fsx.OpenRoot(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	text, err = fsx.ReadFile(dir, filepath.Base(file), maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return text, err
}
