package journal

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a connection to the journal. It is made anew when the journal was.
type socket struct {
	path string
	conn *net.UnixConn
}

// bufferSize is what the kernel may hold of entries that the journal has not read yet.
const bufferSize = 1 << 20

func dial(path string) (conn, error) {
	s := &socket{path: path}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("the journal of systemd does not listen on %s: %w", path, err)
	}
	return s, nil
}

func (s *socket) open() (err error) {
	if s.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.path, Net: "unixgram"}); err != nil {
		s.conn = nil
		return err
	}
	_ = s.conn.SetWriteBuffer(bufferSize) // less than that is enough for most
	return nil
}

func (s *socket) send(entry []byte, limit time.Time) error {
	err := s.try(entry, limit)
	if err == nil || !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOTCONN) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	// The journal was started anew.
	return errors.Join(s.close(), s.open(), s.try(entry, limit))
}

func (s *socket) try(entry []byte, limit time.Time) error {
	if s.conn == nil {
		return net.ErrClosed
	}
	if err := s.conn.SetWriteDeadline(limit); err != nil {
		return err
	}
	_, err := s.conn.Write(entry)
	if errors.Is(err, syscall.EMSGSIZE) || errors.Is(err, syscall.ENOBUFS) {
		return s.large(entry)
	}
	return err
}

// large hands over an entry that is larger than a datagram: in memory that nobody can
// change any more.
func (s *socket) large(entry []byte) error {
	fd, err := unix.MemfdCreate("journal-entry", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("memory for an entry of the journal: %w", err)
	}
	f := os.NewFile(uintptr(fd), "journal-entry")
	defer f.Close() // the journal has its own by then
	if _, err := f.Write(entry); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE); err != nil {
		return fmt.Errorf("memory for an entry of the journal: %w", err)
	}
	// Package net sends files only where it is told an address, and a connection has one.
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	rights := unix.UnixRights(int(f.Fd()))
	werr := raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), nil, rights, nil, 0)
		return !errors.Is(err, syscall.EAGAIN)
	})
	return errors.Join(werr, err)
}

func (s *socket) close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
