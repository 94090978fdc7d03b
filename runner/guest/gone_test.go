//go:build linux

package guest

import (
	"io"
	"testing"
	"time"
)

// TestStaysUntilHeard: an init that has told its outcome ends when the host has closed
// its end, and not before, whatever else there is to read.
func TestStaysUntilHeard(t *testing.T) {
	stdin, host := io.Pipe()
	said, stdout := io.Pipe()
	ended := make(chan int, 1)
	go func() { ended <- work(t.Context(), stdin, stdout, io.Discard) }()
	go host.Write(make([]byte, 1<<20)) // no plan, and more than anybody asks for
	heard := make(chan struct{})
	go func() {
		ReadFrames(said, Limits{}, func(k Kind, _ []byte) error {
			if k == KindDone {
				close(heard)
			}
			return nil
		})
	}()
	<-heard
	select {
	case <-ended:
		t.Fatal("it has not waited")
	case <-time.After(200 * time.Millisecond):
	}
	host.Close()
	select {
	case code := <-ended:
		if code != 1 {
			t.Errorf("exit status %d", code)
		}
	case <-time.After(hearing - time.Second):
		t.Error("it does not see the host's end")
	}
}

// TestStaysForAWhile: a host that never closes its end does not hold it up for ever.
func TestStaysForAWhile(t *testing.T) {
	stdin, _ := io.Pipe()
	start := time.Now()
	stayUntilHeard(t.Context(), stdin)
	if took := time.Since(start); took < hearing || took > hearing+5*time.Second {
		t.Errorf("it waited %v", took)
	}
}
