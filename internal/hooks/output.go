package hooks

import "bytes"

const (
	// MaxAnswer bounds what is kept of what a hook prints or answers, in bytes. What is
	// longer is no answer.
	MaxAnswer = 1 << 20
	maxTail   = 4 << 10 // of its errors
)

// head keeps the beginning of what is written, and takes everything.
type head struct {
	kept []byte
	over bool // there was more
}

func (h *head) Write(p []byte) (int, error) {
	room := MaxAnswer - len(h.kept)
	if len(p) > room {
		h.over = true
	}
	h.kept = append(h.kept, p[:min(len(p), room)]...)
	return len(p), nil
}

// tail keeps the end of what is written, and takes everything.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	p = p[max(0, n-maxTail):]
	if over := len(t.kept) + len(p) - maxTail; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	t.kept = append(t.kept, p...)
	return n, nil
}

// lastLine is the last line with something on it.
func (t *tail) lastLine() string {
	lines := bytes.Split(t.kept, []byte("\n"))
	for i := len(lines) - 1; i >= 0; i-- {
		if line := shortLine(string(lines[i])); line != "" {
			return line
		}
	}
	return ""
}
