package inbox

import "sync"

// sharedSync is the sync of a folder that many messages make entries in. Those that come
// while one is under way share the next one: it begins after all that they have done.
type sharedSync struct {
	one  chan struct{} // full while a sync is under way
	mu   sync.Mutex
	next *sharing // nil = nobody waits for one that has not begun
}

// sharing are those who share one sync.
type sharing struct {
	done chan struct{}
	err  error
}

func newSharedSync() *sharedSync { return &sharedSync{one: make(chan struct{}, 1)} }

// do syncs, or waits for somebody who begins to do so after this call.
func (s *sharedSync) do(sync func() error) error {
	s.mu.Lock()
	r := s.next
	if r != nil {
		s.mu.Unlock()
		<-r.done
		return r.err
	}
	r = &sharing{done: make(chan struct{})}
	s.next = r
	s.mu.Unlock()
	s.one <- struct{}{}
	defer func() { close(r.done); <-s.one }()
	s.mu.Lock()
	s.next = nil // who comes from here on may have done something that this one does not see
	s.mu.Unlock()
	r.err = sync()
	return r.err
}

// syncDir syncs one of the folders that all messages of a partner have in common.
func (p *Partner) syncDir(name string) error {
	sync := func() error { return p.Folder.SyncDir(name) }
	if shared := p.syncs[name]; shared != nil {
		return shared.do(sync)
	}
	return sync()
}
