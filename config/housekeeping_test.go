package config

import (
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"
)

// small is a config with one partner, and room for what a test has to say.
func small(root, partner string) string {
	return root + `
stations: {us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}}
partners:
  acme:
    as2_id: A
    station: us
    certificates: keys/other.pem
` + partner + `
  second: {as2_id: B, station: us, certificates: keys/other.pem}
`
}

func TestRetentionOfAPartner(t *testing.T) {
	workplace(t)
	c, err := load(t, small("retention: {sent: 90d, failed: 1y, evidence: 10y, history: 30d}", "    retention: {sent: forever, failed: 5d, messages: 2d}"))
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	acme, second := c.Partners[0].Retention, c.Partners[1].Retention
	if got := acme.String(); got != "failed: 5d, messages: 2d, evidence: 10y, history: 30d" {
		t.Error(got)
	}
	if got := second.String(); got != "sent: 90d, failed: 1y, evidence: 10y, history: 30d" {
		t.Error(got)
	}
	if acme.Sent.For != 0 || acme.Evidence.For != 3660*day || second.Failed.For != 366*day || second.Sent.For != 90*day || acme.Rule("failed") != "failed: 5d" || acme.Rule("sent") != "" {
		t.Errorf("%+v %+v", acme, second)
	}
	if c.Retention.At.String() != "daily at 03:30" {
		t.Error(c.Retention.At)
	}
	if c, err = load(t, small("", "")); err != nil || c.Partners[0].Retention != (Retention{}) {
		t.Errorf("%+v %v", c, err)
	}
}

func TestRetentionThatIsNonsense(t *testing.T) {
	workplace(t)
	for text, want := range map[string]string{
		small("retention: {sent: 0d}", ""):                                     `config.yaml:1: retention.sent: must be forever, or one day or more, is "0d" (write for example 90d, 10y or forever)`,
		small("retention: {sent: 90s}", ""):                                    `retention.sent: must be forever, or one day or more, is "90s"`,
		small("retention: {sent: -1d}", ""):                                    `retention.sent: must be forever`,
		small("retention: {sent: 999999999999999999d}", ""):                    `retention.sent: must be forever`,
		small("retention: {sent: 201y}", ""):                                   `retention.sent: must be forever`,
		small("retention: {sent: [1d]}", ""):                                   `retention.sent: must be forever, days or years, is a list`,
		small("retention: {sent: 1d, at: sometimes}", ""):                      `config.yaml:1: retention.at[0]: `,
		small("retention: {snet: 1d}", ""):                                     `retention.snet: is no key that is known (did you mean "sent"?)`,
		small("retention: {evidence: 30d, messages: 60d}", ""):                 `config.yaml:1: retention.messages: 60d is longer than evidence: 30d (the message lies in the evidence and goes with it)`,
		small("retention: {evidence: 30d, messages: forever}", ""):             `retention.messages: forever is longer than evidence: 30d`,
		small("retention: {evidence: 30d}", "    retention: {messages: 31d}"):  `config.yaml:8: partners.acme.retention.messages: 31d is longer than evidence: 30d`,
		small("retention: {received_evidence: 3d, received_messages: 4d}", ""): `retention.received_messages: 4d is longer than received_evidence: 3d`,
		small("retention: {history: 2d}", ""):                                  `config.yaml:1: retention.history: 2d is shorter than what is still asked for it: receive.receipt_retry.give_up_after of partners.acme is 72h0m0s`,
		small("retention: {history: 20d}", "    outbox: {same_content: warn}"): `outbox.same_content_days of partners.acme is 720h0m0s`,
		small("retention: {history: 20d}", "    naming: {late_window: 21d}"):   `naming.late_window of partners.acme is 504h0m0s`,
	} {
		_, err := load(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant  %s", text, err, want)
			continue
		}
		if n := len(err.(Errors)); n != 1 {
			t.Errorf("%d mistakes: %v", n, err)
		}
	}
	if _, err := load(t, small("retention: {history: 20d}", "    outbox: {same_content: off, same_content_days: 300}")); err != nil {
		t.Error(err)
	}
}

func TestStrictOrderOfManyAtOnce(t *testing.T) {
	workplace(t)
	_, err := load(t, small("", "    outbox: {order: strict}\n    send: {parallel: 2}"))
	if want := "config.yaml:9: partners.acme.send.parallel: 2 transfers cannot be under way at once where outbox.order is strict (remove it, or set order: free)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	for _, partner := range []string{"    outbox: {order: strict}", "    outbox: {order: strict}\n    send: {parallel: 1}"} {
		c, err := load(t, small("", partner))
		if err != nil || c.Partners[0].Send.Parallel != 1 || c.Partners[1].Send.Parallel != 2 {
			t.Errorf("%v", err)
		}
	}
}

func TestFilesOfAPartner(t *testing.T) {
	workplace(t)
	if runtime.GOOS == "windows" {
		_, err := load(t, small(`files: {file_mode: "0640", dir_mode: "0750"}`, ""))
		if err == nil || strings.Count(err.Error(), "Windows has no permissions of this kind (remove it, and name a group)") != 2 {
			t.Error(err)
		}
		c, err := load(t, small("files: {group: S-1-1-0}", ""))
		if err != nil || c.Partners[0].Access.Owner == nil {
			t.Errorf("%v", err)
		}
		return
	}
	c, err := load(t, small(`files: {group: "0", file_mode: 0640, dir_mode: "2770"}`, `    files: {file_mode: "0660"}`))
	if err != nil {
		t.Fatal(err)
	}
	acme, second := c.Partners[0].Access, c.Partners[1].Access
	if acme.FileMode != 0o660 || acme.DirMode != fs.ModeSetgid|0o770 || acme.Owner == nil || acme.Owner.ID != "0" || acme.Line != 1 || second.FileMode != 0o640 {
		t.Errorf("%+v %+v", acme, second)
	}
	if c, err = load(t, small("", "")); err != nil || c.Partners[0].Access != (Access{}) {
		t.Errorf("%+v %v", c, err)
	}
	for text, want := range map[string]string{
		small("files: {group: no-such-group}", ""): `config.yaml:1: files.group: there is no group "no-such-group" on this machine (getent group lists`,
		small("", "    files: {group: no-such}"):   `config.yaml:8: partners.acme.files.group: there is no group "no-such"`,
		small("files: {file_mode: rw}", ""):        `files.file_mode: must be permissions in octal digits, is "rw" (write for example "0640")`,
		small(`files: {file_mode: "0750"}`, ""):    `files.file_mode: must be permissions in octal digits, is "0750"`, // a document is no program
		small(`files: {file_mode: "4640"}`, ""):    `files.file_mode: must be permissions`,
		small(`files: {file_mode: "0440"}`, ""):    `files.file_mode: 0440 keeps the agent itself away: it needs 0600`,
		small(`files: {dir_mode: "0660"}`, ""):     `files.dir_mode: 0660 keeps the agent itself away: it needs 0700`,
		small(`files: {dir_mode: "1770"}`, ""):     `files.dir_mode: must be permissions`,
	} {
		_, err := load(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant  %s", text, err, want)
			continue
		}
		if n := len(err.(Errors)); n != 1 {
			t.Errorf("%d mistakes: %v", n, err)
		}
	}
	c, err = load(t, small("", `    files: {group: "0", file_mode: "0600"}`))
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), "the group 0 gets no rights by it") {
		t.Errorf("%v %v", c.Warnings, err)
	}
}
