package config

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"go.yaml.in/yaml/v3"
)

// Where an agent can log.
const (
	ToStderr   = "stderr"
	ToFile     = "file"
	ToJournald = "journald"
	ToEventLog = "eventlog"
)

// journalSocket is where the journal of systemd listens.
const journalSocket = "/run/systemd/journal/socket"

// Log is one place where the agent logs.
type Log struct {
	To     string
	Level  slog.Level
	Format string // text or json; of stderr and file
	File   string

	RotateSize  int64         // a file that has grown to that is set aside; 0 = at no size
	RotateEvery time.Duration // and at each multiple of that, counted from midnight; 0 = at no time
	Keep        int           // files that were set aside; 0 = any number
	KeepFor     time.Duration // since they were written last; 0 = for ever
	Compress    bool          // what is set aside

	Socket string // of journald
}

// DefaultLog is a place of which nothing but where it is was said.
func DefaultLog(to string) Log {
	return Log{To: to, Format: "text", RotateSize: 10 << 20, Keep: 9, Socket: journalSocket}
}

func decodeLog(d *decoder, c *Config, n *yaml.Node, path string) {
	list(d, n, path, func(item *yaml.Node, at string) {
		l := DefaultLog("")
		mapping(d, &l, item, at, logKeys())
		c.Log = append(c.Log, l)
	})
}

func logKeys() []key[Log] {
	return []key[Log]{
		{"to", "stderr, file, journald, eventlog", "required", "Where this goes. journald is the journal of systemd, each attribute a field of its entries; eventlog is that of Windows.", setChoice(func(l *Log) *string { return &l.To }, ToStderr, ToFile, ToJournald, ToEventLog)},
		{"level", "debug, info, warn, error", "info", "What goes there: this and what is worse. A service of Windows has warn and error in the event log, whatever is listed.", setLevel},
		{"format", "text, json", "text", "One line of key=value each, or one line of JSON. For stderr and file.", setChoice(func(l *Log) *string { return &l.Format }, "text", "json")},
		{"file", "path", "required for file", "The file. It and its folder are made, readable for nobody else. A file that another program moves away is begun anew within a second, and at SIGHUP at once.", setPath(func(l *Log) *string { return &l.File })},
		{"rotate_size", "size or off", "10MiB", "A file that has grown to that is set aside: as2drop.log becomes as2drop.1.log, and what that was as2drop.2.log. off leaves it to other programs.", setRotateSize},
		{"rotate_every", "duration or off", "off", "A file is also set aside at each multiple of that, counted from midnight: 24h is daily, 168h on Mondays.", setRotateEvery},
		{"keep", "number", "9", "How many files are kept that were set aside; 0 = all.", setInt(0, 10_000, func(l *Log) *int { return &l.Keep })},
		{"keep_for", "duration or forever", "forever", "How long they are kept.", setKeepFor},
		{"compress", "true or false", "false", "Compress what is set aside with gzip. Logging waits for that, some three milliseconds per MiB.", setBool(func(l *Log) *bool { return &l.Compress })},
		{"socket", "path", journalSocket, "For journald: its socket, where it is not the usual one, as in a container.", setPath(func(l *Log) *string { return &l.Socket })},
	}
}

// setLevel reads a level as slog has it.
func setLevel(d *decoder, l *Log, n *yaml.Node, path string) {
	var word string
	setChoice(func(s *string) *string { return s }, "debug", "info", "warn", "error")(d, &word, n, path)
	if word != "" {
		l.Level, _ = ParseLevel(word) // it is one of them
	}
}

// ParseLevel reads debug, info, warn and error.
func ParseLevel(word string) (level slog.Level, err error) {
	return level, level.UnmarshalText([]byte(word))
}

// never reports whether a value is the word for no limit, and notes it.
func never(d *decoder, n *yaml.Node, path, word string) bool {
	if resolve(n).Value != word {
		return false
	}
	_, ok := d.scalar(n, path, word)
	return ok
}

func setRotateSize(d *decoder, l *Log, n *yaml.Node, path string) {
	if never(d, n, path, "off") {
		l.RotateSize = 0
		return
	}
	setSize(16<<10, func(l *Log) *int64 { return &l.RotateSize })(d, l, n, path)
}

func setRotateEvery(d *decoder, l *Log, n *yaml.Node, path string) {
	if never(d, n, path, "off") {
		l.RotateEvery = 0
		return
	}
	setDuration(time.Minute, func(l *Log) *time.Duration { return &l.RotateEvery })(d, l, n, path)
}

func setKeepFor(d *decoder, l *Log, n *yaml.Node, path string) {
	if never(d, n, path, "forever") {
		l.KeepFor = 0
		return
	}
	setDuration(time.Minute, func(l *Log) *time.Duration { return &l.KeepFor })(d, l, n, path)
}

// logs checks the places where the agent logs.
func (f *finisher) logs() {
	files, places := map[string]int{}, map[string]int{}
	for i := range f.config.Log {
		l, path := &f.config.Log[i], fmt.Sprintf("log[%d]", i)
		l.File = f.resolve(l.File)
		windows := runtime.GOOS == "windows"
		switch {
		case l.To == "":
			f.report(path+".to", "stderr, file, journald or eventlog", "is missing")
			continue
		case l.To == ToFile && l.File == "":
			f.report(path+".file", "name the file", "is missing")
			continue
		case l.To != ToFile && l.File != "":
			f.report(path+".file", "set to: file, or remove it", "is said of what goes to %s", l.To)
		case l.To == ToJournald && windows:
			f.report(path+".to", "use file or eventlog", "Windows has no journald")
		case l.To == ToEventLog && !windows:
			f.report(path+".to", "use journald, file or stderr", "only Windows has an event log")
		}
		if l.To == ToFile {
			name := folderKey(l.File, windows)
			if other, taken := files[name]; taken {
				f.report(path+".file", "", "%s is that of log[%d] already", l.File, other)
			}
			files[name] = i
			continue
		}
		if other, taken := places[l.To]; taken {
			f.report(path+".to", "", "%s is that of log[%d] already", l.To, other)
		}
		places[l.To] = i
	}
}
