package accounts

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)

const good = "four words make one"

func files(t *testing.T) (users, tokens string) {
	dir := t.TempDir()
	return filepath.Join(dir, "accounts", "users"), filepath.Join(dir, "accounts", "tokens")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestUsers(t *testing.T) {
	file, tokens := files(t)
	s := Open(file, tokens)
	if has, err := s.HasUsers(); has || err != nil {
		t.Errorf("%v %v before there is a file", has, err)
	}
	must(t, AddUser(file, "Anna", Operator, good))
	must(t, AddUser(file, "bert", Viewer, "another good one"))
	if err := AddUser(file, "anna", Viewer, good); err == nil || !strings.Contains(err.Error(), "has a user Anna already, as operator") {
		t.Error(err)
	}
	id, stamp, _, err := s.SignIn(t.Context(), "anna", good, "192.0.2.1", now)
	if err != nil || id != (Identity{"Anna", Operator, "console"}) || id.By() != "Anna (console)" || !s.Still("Anna", stamp) {
		t.Errorf("%v %v", id, err)
	}
	for _, wrong := range [][2]string{{"anna", "another good one"}, {"bert", good}, {"nobody", good}, {"", ""}, {"nobody", "somebody who does not exist"}, {strings.Repeat("a", 65), good}, {"anna", strings.Repeat("x", 257)}} {
		if id, _, _, err := s.SignIn(t.Context(), wrong[0], wrong[1], "192.0.2.1", now); !errors.Is(err, ErrWrong) || id != (Identity{}) {
			t.Errorf("%q: %v %v", wrong, id, err)
		}
	}
	// Another password counts at once, and ends what began with the former one.
	must(t, SetPassword(file, "ANNA", "yet another one"))
	if _, _, _, err := s.SignIn(t.Context(), "anna", good, "192.0.2.1", now); !errors.Is(err, ErrWrong) || s.Still("Anna", stamp) {
		t.Errorf("the former password: %v", err)
	}
	must(t, RemoveUser(file, "anna"))
	must(t, RemoveUser(file, "bert"))
	if err := RemoveUser(file, "bert"); err == nil || !strings.Contains(err.Error(), "as2drop user list shows them") {
		t.Error(err)
	}
	if err := SetPassword(file, "bert", good); err == nil {
		t.Error("nobody has another password")
	}
	// Without users nobody gets in, which is not the same as without a file.
	if has, err := s.HasUsers(); !has || err != nil {
		t.Errorf("%v %v", has, err)
	}
	text, err := os.ReadFile(file)
	must(t, err)
	if strings.Contains(string(text), good) {
		t.Errorf("%s", text)
	}
}

func TestNewPasswords(t *testing.T) {
	for password, want := range map[string]string{
		"short":                  "has 5 characters, it needs 12 or more",
		strings.Repeat("ä", 11):  "has 11 characters",
		strings.Repeat("a", 257): "has 257 bytes, more than 256",
		"my name is Anna":        "has the name anna in it",
		"aaaaaaaaaaaaa":          "one character over and over",
	} {
		if err := CheckPassword("anna", password); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if err := CheckPassword("anna", good); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "-a", "a b", "a\nb", "ä", strings.Repeat("a", 65), "#a"} {
		if CheckName(name) == nil {
			t.Errorf("%q is a name", name)
		}
	}
}

// A file that is damaged lets nobody in, and says where.
func TestDamagedFiles(t *testing.T) {
	sound := newHash(good).String()
	token := "sha256:" + strings.Repeat("ab", 32)
	for text, want := range map[string]string{
		"anna operator":             "users:1: has not three fields",
		"# x\n\nanna boss " + sound: `users:3: "boss" is no role`,
		"anna operator " + sound + "\nAnna viewer " + sound:                  "users:2: Anna is on line 1 already",
		"an/na operator " + sound:                                            `users:1: "an/na" cannot be a name`,
		"anna operator $2b$10$x":                                             "users:1: is no password hash",
		"anna operator " + sound[:len(sound)-2]:                              "its hash is damaged",
		"anna operator " + sound + "==":                                      "its hash is damaged",
		"anna operator " + strings.Replace(sound, "m=19456", "m=9999999", 1): "outside of what is accepted",
		"anna operator " + strings.Replace(sound, "t=2", "t=0", 1):           "outside of what is accepted",
		"anna operator " + strings.Replace(sound, "m=", "x=", 1):             "no parameters of argon2id",
		strings.Repeat("x", 70_000):                                          "token too long",
	} {
		file := filepath.Join(t.TempDir(), "users")
		must(t, os.WriteFile(file, []byte(text), 0o600))
		if users, err := ReadUsers(file); err == nil || !strings.Contains(err.Error(), want) || users != nil {
			t.Errorf("%.80q: %v", text, err)
		}
		s := Open(file, file+"-tokens")
		if has, err := s.HasUsers(); !has || err == nil {
			t.Errorf("%.80q lets everybody in: %v %v", text, has, err)
		}
		if _, _, _, err := s.SignIn(t.Context(), "anna", good, "192.0.2.1", now); err == nil || errors.Is(err, ErrWrong) {
			t.Errorf("%.80q: %v", text, err)
		}
		if err := AddUser(file, "bert", Viewer, good); err == nil {
			t.Errorf("%.80q was written over", text)
		}
	}
	for text, want := range map[string]string{
		"a viewer never": "tokens:1: has not five fields",
		"a viewer soon 2026-11-26T09:00:00Z " + token:          `"soon" is no moment`,
		"a viewer never then " + token:                         `"then" is no moment`,
		"a viewer never 2026-11-26T09:00:00Z " + token[:20]:    "its digest is damaged",
		"a viewer never 2026-11-26T09:00:00Z " + token + "ab":  "its digest is damaged",
		"a viewer never 2026-11-26T09:00:00Z md5:" + token[7:]: "its digest is damaged",
		"a boss never 2026-11-26T09:00:00Z " + token:           `"boss" is no role`,
	} {
		file := filepath.Join(t.TempDir(), "tokens")
		must(t, os.WriteFile(file, []byte(text), 0o600))
		if tokens, err := ReadTokens(file); err == nil || !strings.Contains(err.Error(), want) || tokens != nil {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := Open(file, file).Token("x", now); err == nil || errors.Is(err, ErrToken) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTokens(t *testing.T) {
	users, file := files(t)
	s := Open(users, file)
	if _, err := s.Token("", now); !errors.Is(err, ErrToken) {
		t.Errorf("%v without a file", err)
	}
	reader, err := AddToken(file, "prometheus", Viewer, time.Time{}, now)
	must(t, err)
	actor, err := AddToken(file, "erp", Operator, now.Add(time.Hour), now)
	must(t, err)
	if _, err := AddToken(file, "ERP", Viewer, time.Time{}, now); err == nil || !strings.Contains(err.Error(), "has a token erp already") {
		t.Error(err)
	}
	if reader == actor || len(actor) != len(tokenPrefix)+43 || !strings.HasPrefix(actor, tokenPrefix) {
		t.Errorf("%q %q", reader, actor)
	}
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), actor) || strings.Contains(string(text), actor[len(tokenPrefix):]) {
		t.Errorf("%s %v", text, err)
	}
	if id, err := s.Token(actor, now.Add(time.Hour-1)); err != nil || id != (Identity{"erp", Operator, "API"}) {
		t.Errorf("%v %v", id, err)
	}
	if _, err := s.Token(actor, now.Add(time.Hour)); !errors.Is(err, ErrToken) {
		t.Errorf("%v after its end", err)
	}
	list, err := ReadTokens(file)
	if err != nil || len(list) != 2 || !list[0].Expires.IsZero() || !list[1].Expires.Equal(now.Add(time.Hour)) || !list[1].Created.Equal(now) {
		t.Errorf("%+v %v", list, err)
	}
	for _, wrong := range []string{"", reader + "x", reader[1:], "as2drop_", string(list[0].sum[:])} {
		if _, err := s.Token(wrong, now); !errors.Is(err, ErrToken) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	must(t, RemoveToken(file, "Prometheus"))
	if _, err := s.Token(reader, now); !errors.Is(err, ErrToken) {
		t.Errorf("%v after it was removed", err)
	}
	if err := RemoveToken(file, "prometheus"); err == nil {
		t.Error("removed twice")
	}
}

func TestBearer(t *testing.T) {
	users, file := files(t)
	reader, err := AddToken(file, "prometheus", Viewer, time.Time{}, now)
	must(t, err)
	actor, err := AddToken(file, "erp", Operator, time.Time{}, now)
	must(t, err)
	s := Open(users, file)
	asked := Identity{}
	inner := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = From(r.Context()) })
	var log bytes.Buffer
	h := s.Bearer(func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)), inner)
	for _, c := range []struct {
		header string
		status int
		role   Role
	}{
		{"", 401, ""}, {"Bearer", 401, ""}, {"Bearer x", 401, ""}, {"Basic " + reader, 401, ""}, {reader, 401, ""},
		{"Bearer " + reader, 200, Viewer}, {"bearer " + actor, 200, Operator},
	} {
		asked = Identity{}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", c.header)
		rw := httptest.NewRecorder()
		h.ServeHTTP(rw, r)
		if rw.Code != c.status || (asked.Name != "") != (c.status == 200) || asked.Role != c.role || (rw.Header().Get("WWW-Authenticate") != "") != (c.status == 401) {
			t.Errorf("%v: %d %v %s", c, rw.Code, asked, rw.Body)
		}
	}
	must(t, os.WriteFile(file, []byte("damaged"), 0o600))
	rw, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+actor)
	if h.ServeHTTP(rw, r); rw.Code != 503 || strings.Contains(rw.Body.String(), file) || !strings.Contains(log.String(), file) {
		t.Errorf("%d %s, log: %s", rw.Code, rw.Body, log.String())
	}
}

// Who fails too often waits, and somebody else does not.
func TestLimits(t *testing.T) {
	l := newLimiter()
	fail := func(name, address string, at time.Time) bool { return l.begin(name, address, at) == 0 }
	for range maxPair {
		if !fail("anna", "192.0.2.1", now) {
			t.Fatal("too early")
		}
	}
	if wait := l.begin("Anna", "192.0.2.1", now.Add(time.Minute)); wait != window-time.Minute {
		t.Errorf("wait for %s", wait)
	}
	if !fail("anna", "192.0.2.2", now) || !fail("bert", "192.0.2.1", now) {
		t.Error("others wait too")
	}
	if !fail("anna", "192.0.2.1", now.Add(window)) {
		t.Error("the window does not end")
	}
	// One host counts once, whatever address of its network it takes, and whatever names.
	l = newLimiter()
	tried := 0
	for i := range 1000 {
		if fail("user"+string(rune('a'+i%26)), "2001:db8::"+string(rune('a'+i%6)), now) {
			tried++
		}
	}
	if tried != maxAddress {
		t.Errorf("%d tries of one network", tried)
	}
	// A name is not tried from everywhere for ever.
	l, tried = newLimiter(), 0
	for i := range 1000 {
		if fail("anna", "10.0."+string(rune('0'+i%10))+"."+string(rune('0'+i/100)), now) {
			tried++
		}
	}
	if tried != maxName {
		t.Errorf("%d tries of one name", tried)
	}
	// Success forgets what came before, and what came to no result does not count.
	l = newLimiter()
	for range 100 {
		if !fail("anna", "192.0.2.1", now) {
			t.Fatal("success counts")
		}
		l.succeeded("anna", "192.0.2.1")
		if !fail("bert", "192.0.2.1", now) {
			t.Fatal("what came to no result counts")
		}
		l.undecided("bert", "192.0.2.1")
	}
	if len(l.fails) != 0 {
		t.Errorf("%v", l.fails)
	}
	for i := range 3 * maxTracked {
		l.begin(string(rune(i)), "10.1."+string(rune('0'+i%10))+".1", now.Add(time.Duration(i)*time.Second))
	}
	if len(l.fails) > maxTracked+3 {
		t.Errorf("%d are remembered", len(l.fails))
	}
}

func TestTooManyTries(t *testing.T) {
	file, tokens := files(t)
	must(t, AddUser(file, "anna", Operator, good))
	s := Open(file, tokens)
	for range maxPair {
		if _, _, _, err := s.SignIn(t.Context(), "anna", "a wrong password", "192.0.2.1", now); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
	}
	// The right one does not help either until the time is over, so that nobody learns it.
	if _, _, wait, err := s.SignIn(t.Context(), "anna", good, "192.0.2.1", now); !errors.Is(err, ErrTooMany) || wait != window {
		t.Errorf("%v %v", wait, err)
	}
	if _, _, _, err := s.SignIn(t.Context(), "anna", good, "192.0.2.1", now.Add(window)); err != nil {
		t.Error(err)
	}
}

// A letter that counts as another one in lower case makes no name of its own.
func TestSpellingsOfOneName(t *testing.T) {
	file, tokens := files(t)
	must(t, AddUser(file, "susi", Operator, good))
	s := Open(file, tokens)
	if id, _, _, err := s.SignIn(t.Context(), "\u017fu\u017fi", good, "192.0.2.1", now); !errors.Is(err, ErrWrong) {
		t.Errorf("%v %v", id, err)
	}
	if _, _, _, err := s.SignIn(t.Context(), "SUSI", good, "192.0.2.1", now); err != nil {
		t.Error(err)
	}
}

// Only tries that failed count: none before one that did not, and none that came to no result.
func TestWhatCountsAsATry(t *testing.T) {
	file, tokens := files(t)
	must(t, AddUser(file, "anna", Operator, good))
	s := Open(file, tokens)
	for range 3 {
		for range maxPair - 1 {
			if _, _, _, err := s.SignIn(t.Context(), "anna", "a wrong password", "192.0.2.1", now); !errors.Is(err, ErrWrong) {
				t.Fatal(err)
			}
		}
		if _, _, _, err := s.SignIn(t.Context(), "anna", good, "192.0.2.1", now); err != nil {
			t.Fatal(err)
		}
	}
	for range cap(s.hasher.wait) {
		s.hasher.wait <- struct{}{}
	}
	for range 2 * maxPair {
		if _, _, _, err := s.SignIn(t.Context(), "anna", good, "192.0.2.1", now); !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
	}
	for range cap(s.hasher.wait) {
		<-s.hasher.wait
	}
	if _, _, _, err := s.SignIn(t.Context(), "anna", good, "192.0.2.1", now); err != nil {
		t.Error(err)
	}
}

// Two are worked on at a time, a few wait, and the rest is told so.
func TestHashingIsBounded(t *testing.T) {
	w := newHasher()
	for range parallel {
		w.work <- struct{}{}
		w.wait <- struct{}{}
	}
	var group sync.WaitGroup
	results := make(chan error, queue+1)
	for range queue + 1 {
		group.Go(func() {
			_, err := w.fits(t.Context(), newHash(good), good)
			results <- err
		})
	}
	if err := <-results; !errors.Is(err, ErrBusy) { // the others cannot end before there is room
		t.Errorf("%v", err)
	}
	<-w.work
	<-w.wait
	group.Wait()
	close(results)
	for err := range results {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestManyEditsAtOnce(t *testing.T) {
	_, file := files(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if _, err := AddToken(file, "t"+string(rune('a'+i)), Viewer, time.Time{}, now); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if list, err := ReadTokens(file); err != nil || len(list) != 8 {
		t.Errorf("%d %v", len(list), err)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode()&fs.ModePerm&0o077 != 0 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// A hash that argon2-cffi, which is the reference implementation, made with other parameters.
func TestHashesOfOthers(t *testing.T) {
	h, err := parseHash("$argon2id$v=19$m=16384,t=3,p=2$c2l4dGVlbiBieXRlIHNsdA$MNIAUkJwxKv3+euXiZeLQIJfdfi1aVYJSF56Ru4PP8s")
	if err != nil || !h.fits("correct horse battery") || h.fits("correct horse") {
		t.Errorf("%v %v", h, err)
	}
}

// One host is one, however its address is written.
func TestBuckets(t *testing.T) {
	for _, same := range [][2]string{{"192.0.2.1", "::ffff:192.0.2.1"}, {"fe80::1%eth0", "fe80::1%eth1"}, {"2001:db8::1", "2001:DB8:0:0:1::2"}, {"x", "unknown"}} {
		if bucket(same[0]) != bucket(same[1]) {
			t.Errorf("%s is in %s, %s in %s", same[0], bucket(same[0]), same[1], bucket(same[1]))
		}
	}
	if bucket("192.0.2.1") == bucket("192.0.2.2") || bucket("2001:db8::1") == bucket("2001:db8:0:1::1") {
		t.Error("two hosts are one")
	}
}

// A file that could not be read is read again, also if nothing of it has changed: somebody may
// have given the right to read it.
func TestReadAgainAfterAFault(t *testing.T) {
	file, _ := files(t)
	must(t, AddUser(file, "anna", Operator, good))
	fault := errors.New("permission denied")
	c := &cached[User]{file: file, read: func(string) ([]User, error) { return nil, fault }}
	if _, err := c.get(); !errors.Is(err, fault) {
		t.Fatal(err)
	}
	c.read = ReadUsers
	if users, err := c.get(); err != nil || len(users) != 1 {
		t.Errorf("%v %v", users, err)
	}
}
