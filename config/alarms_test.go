package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/schedule"
)

// alarmsArrive is the part of TestEveryKeyArrives about alarms.
func alarmsArrive(t *testing.T, c *Config) {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("keys", "prog.exe"))
	if err != nil {
		t.Fatal(err)
	}
	ours := c.Listen[0].Certificates
	hours, err := schedule.ParseWindow("Mon-Fri 6-22", c.Location)
	if err != nil {
		t.Fatal(err)
	}
	want := []*Receiver{
		{Name: "office", Mail: &Mail{"mail.example:465", "implicit", Login{"us", "keys/secret", "open sesame"}, []string{"keys/us.pem"}, ours, "edi@us.example", []string{"ops@us.example", "x@us.example"}, 5 * time.Second},
			Level: "warning", Partners: []string{"acme", "beta"}, Hours: hours, hours: []string{"Mon-Fri 6-22"}, timeout: 5 * time.Second},
		{Name: "here", Mail: &Mail{Server: "localhost:25", TLS: "none", From: "edi@us.example", To: []string{"ops@us.example"}, Timeout: time.Minute}, Level: "alarm"},
		{Name: "chat", Hook: &Hook{Name: "chat", URL: "http://chat.example/x", AllowHTTP: true, Headers: []as2.Field{{Name: "X-D", Value: "d"}}, BearerFile: "keys/secret", Bearer: "open sesame", AuthorityFiles: []string{"keys/us.pem"}, Authorities: ours, Timeout: 30 * time.Second},
			SecretFile: "keys/secret", Secret: "open sesame", Level: "alarm"},
		{Name: "pager", Hook: &Hook{Name: "pager", Command: []string{program, "-p"}, Timeout: 30 * time.Second}, Level: "alarm"},
	}
	for i, r := range c.Alarms.Receivers {
		if i >= len(want) || !reflect.DeepEqual(r, want[i]) {
			t.Errorf("receiver: %+v, mail %+v, hook %+v", r, r.Mail, r.Hook)
		}
	}
	a := c.Alarms
	if a.Name != "edi" || fmt.Sprint(a.GroupWait, a.GroupInterval, a.UpdateInterval, a.Repeat) != "1s 2s 3s 4s" || !slices.Equal(a.Programs(), []string{program}) {
		t.Errorf("%+v, %v", a, a.Programs())
	}
	e := c.Partners[0].Expect
	if !e.Sent.Off || e.Received.String() != "Mon-Fri at 09:00; daily at 17:00" || e.Grace != 90*time.Minute || c.Partners[1].Expect.Received.String() != "usual" {
		t.Errorf("%+v", e)
	}
}
