package fsx

import "sync"

// together lets those share a sync who want one folder synced at the same time: whoever
// comes while a sync of it is under way waits for the next one, together with all others
// who do. So no call returns before a sync that began after it. A sync that fails fails for
// all of them.
type together struct {
	mu      sync.Mutex
	folders map[string]*turn // the one under way, by folder; none = nobody syncs it
}

// turn is one sync of a folder.
type turn struct {
	done chan struct{} // closed when it has ended
	err  error
	next *turn // of those who came since it began; nil = nobody
}

// sync calls f, or waits for somebody else who does after this call was made.
func (t *together) sync(folder string, f func() error) error {
	t.mu.Lock()
	mine := &turn{done: make(chan struct{})}
	before := t.folders[folder]
	switch {
	case before == nil:
		if t.folders == nil {
			t.folders = map[string]*turn{}
		}
		t.folders[folder] = mine
		t.mu.Unlock()
	case before.next == nil: // the first of those who wait makes the next one
		before.next = mine
		t.mu.Unlock()
		<-before.done
	default:
		mine = before.next
		t.mu.Unlock()
		<-mine.done
		return mine.err
	}
	mine.err = f()
	t.mu.Lock()
	if mine.next == nil {
		delete(t.folders, folder)
	} else {
		t.folders[folder] = mine.next
	}
	t.mu.Unlock()
	close(mine.done)
	return mine.err
}
