package fsx

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// While a sync is under way others come: they share the next one, and whoever comes while
// that is under way waits for the third. Another folder waits for nobody.
func TestSyncsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs together
		var callers sync.WaitGroup
		var mu sync.Mutex
		begun := 0
		ended := map[string]int{} // callers that returned, by what they got
		failed := errors.New("the second one failed")
		goOn := make(chan struct{})
		come := func(n int) {
			for range n {
				callers.Go(func() {
					err := syncs.sync("work", func() error {
						mu.Lock()
						begun++
						mine := begun
						mu.Unlock()
						<-goOn
						if mine == 2 {
							return failed
						}
						return nil
					})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						ended["well"]++
					} else if errors.Is(err, failed) {
						ended["failed"]++
					}
				})
			}
			synctest.Wait()
		}
		expect := func(when string, syncs, well, failed int) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if begun != syncs || ended["well"] != well || ended["failed"] != failed {
				t.Errorf("%s: %d syncs begun, %v returned", when, begun, ended)
			}
		}
		come(1)
		come(5)
		expect("the first is under way", 1, 0, 0)
		if err := syncs.sync("sent", func() error { return nil }); err != nil {
			t.Error(err)
		}
		goOn <- struct{}{}
		synctest.Wait()
		expect("the second is under way", 2, 1, 0)
		come(3)
		expect("three more have come", 2, 1, 0)
		goOn <- struct{}{}
		synctest.Wait()
		expect("the third is under way", 3, 1, 5)
		goOn <- struct{}{}
		callers.Wait()
		expect("all have ended", 3, 4, 5)
		if len(syncs.folders) != 0 {
			t.Errorf("%d folders are remembered", len(syncs.folders))
		}
		come(1)
		goOn <- struct{}{}
		callers.Wait()
		expect("one more", 4, 5, 5)
	})
}
