package hooks

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/as2drop/as2drop/ledger"
)

// inputVersion is that of the document that hooks are told. It changes when something in
// it gets another meaning or goes away, not when something is added.
const inputVersion = 1

// Input is what a hook is told.
type Input struct {
	Version      int             `json:"as2drop_hook"` // 1
	Kind         ledger.HookKind `json:"kind"`
	Hook         string          `json:"hook"` // its name in the config
	ID           string          `json:"id"`   // of the transfer or received message: the same each time
	Attempt      int             `json:"attempt,omitempty"`
	Partner      string          `json:"partner"`
	PartnerAS2ID string          `json:"partner_as2_id"`
	Station      string          `json:"station"`
	StationAS2ID string          `json:"station_as2_id"`
	MessageID    string          `json:"message_id"`
	Key          string          `json:"key"`
	Document     string          `json:"document,omitempty"`
	Created      time.Time       `json:"created,omitzero"`  // when it was claimed
	Received     time.Time       `json:"received,omitzero"` // when it came
	Folder       string          `json:"folder"`            // where the files are, absolute
	Out          string          `json:"out,omitempty"`     // where a hook before sending writes files, absolute
	Files        []File          `json:"files"`
	Posts        int             `json:"posts,omitempty"`
	Verdict      ledger.Verdict  `json:"verdict,omitempty"`
	Reason       string          `json:"reason,omitempty"`
	Next         string          `json:"next,omitempty"`        // what an operator can do
	Disposition  string          `json:"disposition,omitempty"` // of the receipt
	RetryOf      string          `json:"retry_of,omitempty"`
	Settled      time.Time       `json:"settled,omitzero"`
	Signer       string          `json:"signer,omitempty"` // of a received message
	Notes        []string        `json:"notes,omitempty"`
}

// File is one that was sent, is to be sent, or was received.
type File struct {
	Name      string `json:"name"`
	Role      string `json:"role"`             // document, attachment
	Size      int64  `json:"size"`             // bytes
	SHA256    string `json:"sha256,omitempty"` // once it is known
	Path      string `json:"path"`             // absolute
	ChangedBy string `json:"changed_by,omitempty"`
	Dropped   string `json:"dropped,omitempty"`     // the path of the file as dropped that it is in place of
	Received  string `json:"received_as,omitempty"` // its name as the partner said it
}

// In makes paths in a partner's folder, with slashes, absolute ones.
func In(folder string, files []File) []File {
	for i := range files {
		f := &files[i]
		f.Path = filepath.Join(folder, filepath.FromSlash(f.Path))
		if f.Dropped != "" {
			f.Dropped = filepath.Join(folder, filepath.FromSlash(f.Dropped))
		}
	}
	return files
}

// environment is that of a program: what programs need to find their things, and what of
// the input is short.
func environment(in *Input, inherited func(string) string) []string {
	env := found(inherited)
	add := func(name, value string) { env = append(env, "AS2DROP_"+name+"="+oneLine(value)) }
	add("HOOK", string(in.Kind))
	add("HOOK_NAME", in.Hook)
	add("ID", in.ID)
	add("PARTNER", in.Partner)
	add("STATION", in.Station)
	add("KEY", in.Key)
	add("MESSAGE_ID", in.MessageID)
	add("FOLDER", in.Folder)
	if in.Out != "" {
		add("OUT", in.Out)
	}
	if in.Attempt > 0 {
		add("ATTEMPT", strconv.Itoa(in.Attempt))
	}
	if in.Verdict != "" {
		add("VERDICT", string(in.Verdict))
	}
	return env
}

// found are the variables that a program inherits.
func found(inherited func(string) string) (env []string) {
	for _, name := range inheritedNames {
		if v := inherited(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// maxLine bounds what is kept of what a hook says, in characters.
const maxLine = 500

// oneLine makes a text one that can stand in an environment, a log and a terminal.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " ")))
}

func shortLine(s string) string {
	s = oneLine(s)
	if r := []rune(s); len(r) > maxLine {
		return string(r[:maxLine]) + "..."
	}
	return s
}

// ofTransfer tells of a transfer. base is the partner's folder, dir the one of the
// transfer in it.
func ofTransfer(t *ledger.Transfer, base, dir string) Input {
	in := Input{
		Version: inputVersion, ID: t.ID, Station: t.Station, Partner: t.Partner, MessageID: t.MessageID, Key: t.Key, Document: t.Document, Created: t.Created, Folder: filepath.Join(base, filepath.FromSlash(dir)),
		Posts: t.Posts, Verdict: t.Verdict, Reason: t.Reason, Next: t.Next, Disposition: t.Disposition, RetryOf: t.RetryOf, Settled: t.Settled, Files: []File{},
	}
	return in
}

// BeforeSend is what a hook is told of a transfer that is to be sent. base is the absolute
// path of the partner's folder; dir and out are in it.
func BeforeSend(t *ledger.Transfer, files []File, base, dir, out string) Input {
	in := ofTransfer(t, base, dir)
	in.Kind, in.Out = ledger.HookBeforeSend, filepath.Join(base, filepath.FromSlash(out))
	// Of an earlier try: there is no verdict yet.
	in.Verdict, in.Reason, in.Next = "", "", ""
	in.Files = append(in.Files, files...)
	return in
}

// AfterTransfer is what a hook is told of a transfer that was filed. files are those that
// were sent, with paths in the partner's folder.
func AfterTransfer(kind ledger.HookKind, t *ledger.Transfer, files []File, base string) Input {
	in := ofTransfer(t, base, t.FilePath)
	in.Kind = kind
	in.Files = append(in.Files, files...)
	return in
}

// AfterReceived is what a hook is told of a message that is in the inbox, a folder in the
// partner's.
func AfterReceived(r *ledger.Received, base, inbox string) Input {
	in := Input{
		Version: inputVersion, Kind: ledger.HookAfterReceived, ID: r.ID, Partner: r.Partner, PartnerAS2ID: r.From, Station: r.Station, StationAS2ID: r.To, MessageID: r.MessageID, Key: r.Key,
		Received: r.At, Folder: filepath.Join(base, inbox, r.Folder), Signer: r.Signer, Notes: r.Notes, Files: []File{},
	}
	for _, f := range r.Files {
		role := string(ledger.RoleAttachment)
		if f.Document {
			role = string(ledger.RoleDocument)
			if in.Document == "" {
				in.Document = f.Final
			}
		}
		in.Files = append(in.Files, File{Name: f.Final, Role: role, Size: f.Size, SHA256: f.SHA256, Path: filepath.Join(base, inbox, r.FolderOf(f), f.Final), Received: f.Entry})
	}
	return in
}
