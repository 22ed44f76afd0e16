package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/as2drop/as2drop/internal/fsx"
)

// zipped is what is behind the name of a file that was compressed.
const zipped = ".gz"

// aside is a log that was set aside.
type aside struct {
	n    int
	name string
}

// setAside gives the log the number 1 and each earlier one the next, and removes those that
// are too many or too old. First the log gets the number 0: where that cannot be done no
// other has moved. One with that number is left of a crash.
func (l *File) setAside(now time.Time) error {
	for left := true; left; {
		var err error
		if left, err = fsx.Exists(l.dir, l.numbered(0)); err != nil {
			return err
		}
		if !left {
			if err := fsx.Move(l.dir, l.name+l.ext, l.numbered(0)); err != nil {
				return err
			}
		}
		if err := l.shift(now); err != nil {
			return err
		}
	}
	if l.limits.Compress {
		// One that cannot be compressed, for want of space, stays as it is.
		_ = l.compress(l.numbered(1))
	}
	return nil
}

// shift gives each log that was set aside the next number, the oldest first.
func (l *File) shift(now time.Time) error {
	all, err := l.asides()
	if err != nil {
		return err
	}
	for _, a := range slices.Backward(all) {
		if l.limits.Keep > 0 && a.n >= l.limits.Keep || l.tooOld(a, now) {
			err = fsx.RemoveAll(l.dir, a.name)
		} else {
			err = fsx.Move(l.dir, a.name, l.numbered(a.n+1)+strings.TrimPrefix(a.name, l.numbered(a.n)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// expire removes those that are too old.
func (l *File) expire(now time.Time) error {
	all, err := l.asides()
	for _, a := range all {
		if l.tooOld(a, now) {
			err = errors.Join(err, fsx.RemoveAll(l.dir, a.name))
		}
	}
	return err
}

// asides are the logs that were set aside, the latest first. Of one that is there both ways
// the compressed one counts: a crash came before the other was removed.
func (l *File) asides() ([]aside, error) {
	names, err := l.dir.Names(".")
	if err != nil {
		return nil, err
	}
	byNumber := map[int]string{}
	for _, name := range names {
		middle, ok := strings.CutPrefix(name, l.name+".")
		if !ok {
			continue
		}
		middle, ok = strings.CutSuffix(strings.TrimSuffix(middle, zipped), l.ext)
		n, err := strconv.Atoi(middle)
		if !ok || err != nil || n < 0 || middle != strconv.Itoa(n) {
			continue
		}
		if other := byNumber[n]; other != "" {
			if err := fsx.RemoveAll(l.dir, l.numbered(n)); err != nil {
				return nil, err
			}
			name = l.numbered(n) + zipped
		}
		byNumber[n] = name
	}
	all := make([]aside, 0, len(byNumber))
	for n, name := range byNumber {
		all = append(all, aside{n, name})
	}
	slices.SortFunc(all, func(a, b aside) int { return a.n - b.n })
	return all, nil
}

func (l *File) tooOld(a aside, now time.Time) bool {
	if l.limits.KeepFor == 0 {
		return false
	}
	info, err := l.dir.Lstat(a.name)
	return err == nil && info.ModTime().Before(now.Add(-l.limits.KeepFor))
}

func (l *File) numbered(n int) string { return fmt.Sprintf("%s.%d%s", l.name, n, l.ext) }

// compress puts a compressed file in the place of a log that was set aside.
func (l *File) compress(name string) (err error) {
	in, err := l.dir.OpenFile(name, fsx.ReadOnly, 0)
	if err != nil {
		return err
	}
	err = fsx.Publish(l.dir, name+zipped, 0o640, func(w io.Writer) error {
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		_, err = io.Copy(z, in)
		return errors.Join(err, z.Close())
	})
	if err = errors.Join(err, in.Close()); err != nil {
		if rerr := l.dir.Remove(name + zipped + ".part"); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	return l.dir.Remove(name)
}
