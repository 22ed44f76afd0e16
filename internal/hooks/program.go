package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// leftOpen is how long the output of a program that has ended is read on, where something
// that it started keeps it open.
const leftOpen = time.Second

// program starts a program, tells it the input and waits for its end. When ctx ends first,
// it is killed with all that it started. The failure of one that was killed is what it
// said last.
func (r *Runner) program(ctx context.Context, h *Hook, env []string, input []byte, answer io.Writer) error {
	cmd := exec.Command(h.Command[0], h.Command[1:]...)
	errs := &tail{}
	cmd.Dir, cmd.Env = r.Dir, env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), answer, errs
	cmd.WaitDelay = leftOpen
	tree, err := start(cmd)
	if err != nil {
		return failed("it could not be started: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	killed := false
	select {
	case err = <-ended:
	case <-ctx.Done():
		killed = true
		tree.kill()
		err = <-ended
	}
	tree.end() // what it left running, too
	last := errs.lastLine()
	var exit *exec.ExitError
	switch {
	case killed:
		if last == "" {
			return &Failure{}
		}
		return failed("its last words: %s", last)
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.As(err, &exit):
		return failed("%s%s", exit.ProcessState, lastWords(last))
	}
	return failed("%v%s", err, lastWords(last))
}

func lastWords(line string) string {
	if line == "" {
		return ", and it wrote nothing to its standard error"
	}
	return fmt.Sprintf("; the last line of its standard error: %s", line)
}
