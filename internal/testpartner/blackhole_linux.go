package testpartner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// BlackHole is a URL whose host answers no attempt to connect, until it is closed: the
// queue of a listener is full and stays so.
func BlackHole() (url string, end func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		return "", nil, errors.Join(err, l.Close())
	}
	var short error
	err = raw.Control(func(fd uintptr) { short = syscall.Listen(int(fd), 0) })
	if err := errors.Join(err, short); err != nil {
		return "", nil, errors.Join(err, l.Close())
	}
	closers := []net.Conn{}
	end = func() error {
		errs := []error{l.Close()}
		for _, c := range closers {
			errs = append(errs, c.Close())
		}
		return errors.Join(errs...)
	}
	for range 16 {
		ctx, stop := context.WithTimeout(context.Background(), 200*time.Millisecond)
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		stop()
		var timeout net.Error
		switch {
		case err == nil:
			closers = append(closers, c)
		case errors.As(err, &timeout) && timeout.Timeout():
			return "https://" + l.Addr().String() + "/as2", end, nil
		default:
			return "", nil, errors.Join(err, end())
		}
	}
	return "", nil, errors.Join(fmt.Errorf("testpartner: the queue of %s does not fill", l.Addr()), end())
}
