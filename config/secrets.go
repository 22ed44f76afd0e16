package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/fsx"
)

// secretHint says what to do with a key that would hold a secret; it is empty for all
// others.
func secretHint(name string, known []string) string {
	switch strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name)) {
	case "password", "passphrase", "passwd", "pass", "secret":
		name = "password_file"
	case "bearer", "token", "bearertoken":
		name = "bearer_file"
	default:
		return ""
	}
	if !slices.Contains(known, name) {
		return "put it into a file of its own"
	}
	return "put it into a file of its own, and name that with " + name
}

// maxSecret bounds a file with a secret, in bytes.
const maxSecret = 16 << 10

// secret reads the one line of a file that holds a password or token.
func (f *finisher) secret(path, file string) string {
	if file == "" {
		return ""
	}
	file = f.resolve(file)
	f.reads(file)
	text, err := readSecret(file)
	if err != nil {
		f.fileError(path, file, err)
		return ""
	}
	f.said[contentOf(path)] = said{text: "a secret", hidden: sha256.Sum256([]byte(text))}
	f.exposed(path, file)
	return text
}

func readSecret(file string) (string, error) {
	b, err := fsx.ReadPath(file, maxSecret)
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(b), "\r\n")
	switch {
	case text == "":
		err = errors.New("it is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		err = errors.New("it must be one line of text")
	default:
		return text, nil
	}
	return "", fmt.Errorf("%s: %w", file, err)
}

// exposed warns of a file with a secret that everybody can read.
func (f *finisher) exposed(path, file string) {
	f.config.Secrets = append(f.config.Secrets, file)
	if access.Exposed(file) {
		f.warn(path, access.Remedy, "%s can be read by every user of this machine", file)
	}
}

// login reads the password of a user. Half of it is a mistake.
func (f *finisher) login(path string, l *Login) {
	switch {
	case l.User != "" && l.PasswordFile == "":
		f.report(path+".password_file", "name the file with the password", "is missing")
	case l.User == "" && l.PasswordFile != "":
		f.report(path+".user", "", "is missing")
	case strings.Contains(l.User, ":"):
		f.report(path+".user", "", "a user of basic authentication has no colon (RFC 7617, 2)")
	}
	l.Password = f.secret(path+".password_file", l.PasswordFile)
}
