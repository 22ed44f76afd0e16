package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
)

// newPasswordFlag is shared by the commands that set a password of a user. It is never an
// argument: everybody on the machine can read those.
type newPasswordFlag struct {
	PasswordStdin bool `help:"Read the password from standard input, its first line, in place of asking for it."`
}

// maxPasswordLine bounds what is read as a password, in bytes.
const maxPasswordLine = 4096

func (f newPasswordFlag) read(g *globals, name string) (string, error) {
	if f.PasswordStdin {
		line, err := bufio.NewReader(io.LimitReader(os.Stdin, maxPasswordLine)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", exit{exitUsage, errors.New("standard input has no password on its first line")}
		}
		return line, nil
	}
	p, err := typed(g, "New password of "+name, "passwords", true)
	if errors.Is(err, errNoTerminal) {
		return "", exit{exitUsage, errors.New("there is no terminal to ask for the password; give it on standard input with --password-stdin")}
	}
	return p, err
}
