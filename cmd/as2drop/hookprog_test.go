package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// hookprog is a program of an operator, for scripts. It does what its arguments say, one
// after the other:
//
//	tell FILE          adds a line to the file: what it was told, in short; of an alarm too
//	save FILE          writes what it was told to the file
//	document TEXT      changes the document
//	add SUFFIX=TEXT    adds an attachment, KEYSUFFIX
//	need FILE          fails unless the file is there
//	demand SUFFIX      refuses the batch unless a file in it has a name that ends so
//	say TEXT           prints the text
//	complain TEXT      prints it as an error
//	exit N             ends with this code
func hookprog() {
	if err := hook(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
}

// told is the part of the input that it looks at.
type told struct {
	Version int    `json:"as2drop_hook"`
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Attempt int    `json:"attempt"`
	Partner string `json:"partner"`
	Key     string `json:"key"`
	Out     string `json:"out"`
	Verdict string `json:"verdict"`
	// Of a message about alarms.
	Alarm   int    `json:"as2drop_alarm"`
	Raised  int    `json:"raised"`
	Over    int    `json:"over"`
	Subject string `json:"subject"`
	Files   []struct {
		Name string `json:"name"`
		Path string `json:"path"`
	} `json:"files"`
}

func hook(args []string) error {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var in told
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	if in.Alarm == 1 {
		return in.alarm(args)
	}
	if in.Version != 1 || os.Getenv("AS2DROP_ID") != in.ID || os.Getenv("AS2DROP_HOOK") != in.Kind || os.Getenv("KEYS") != "" {
		return fmt.Errorf("told %s in an environment of %q", body, os.Environ())
	}
	var changed []string
	for ; len(args) > 1; args = args[2:] {
		switch args[0] {
		case "tell":
			line := fmt.Sprintf("%s %s %s attempt %d %s:", in.Kind, in.Partner, in.Key, in.Attempt, in.Verdict)
			for _, f := range in.Files {
				content, err := os.ReadFile(f.Path)
				if err != nil {
					return err
				}
				line += fmt.Sprintf(" %s=%s", f.Name, strings.TrimSpace(string(content)))
			}
			err = appendLine(args[1], line)
		case "save":
			err = os.WriteFile(args[1], body, 0o600)
		case "document":
			changed, err = in.write(changed, in.Files[0].Name, args[1])
		case "add":
			suffix, text, _ := strings.Cut(args[1], "=")
			changed, err = in.write(changed, in.Key+suffix, text)
		case "say":
			fmt.Println(args[1])
		case "complain":
			fmt.Fprintln(os.Stderr, args[1])
		case "need":
			_, err = os.Stat(args[1])
		case "demand":
			fmt.Println(in.demand(args[1]))
		case "exit":
			os.Exit(int(args[1][0] - '0'))
		default:
			err = fmt.Errorf("what is %q", args[0])
		}
		if err != nil {
			return err
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"action": "change", "files": changed})
}

// alarm does what can be done about a message about alarms.
func (in *told) alarm(args []string) error {
	if os.Getenv("AS2DROP_ALARM_ID") != in.ID || os.Getenv("AS2DROP_ALARM") == "" || os.Getenv("KEYS") != "" {
		return fmt.Errorf("told of alarms in an environment of %q", os.Environ())
	}
	for ; len(args) > 1; args = args[2:] {
		var err error
		switch args[0] {
		case "tell":
			err = appendLine(args[1], fmt.Sprintf("%d raised, %d over: %s", in.Raised, in.Over, in.Subject))
		case "need":
			_, err = os.Stat(args[1])
		default:
			err = fmt.Errorf("of alarms there is no %q", args[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes a file for what is sent.
func (in *told) write(changed []string, name, text string) ([]string, error) {
	return append(changed, name), os.WriteFile(filepath.Join(in.Out, name), []byte(text), 0o600)
}

func (in *told) demand(suffix string) string {
	for _, f := range in.Files {
		if strings.HasSuffix(f.Name, suffix) {
			return `{"action": "send"}`
		}
	}
	return fmt.Sprintf(`{"action": "refuse", "reason": "there is no %s with it"}`, suffix)
}

func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		return err
	}
	return f.Close()
}
