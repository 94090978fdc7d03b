package bundle

import (
	"context"
)

// following is a chain on its way.
type following struct {
	chain  *chain
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// follow starts to follow the archives' chains.
func (v *Verified) follow(ctx context.Context, policy Policy) *following {
	ctx, cancel := context.WithCancel(ctx)
	f := &following{chain: &chain{lock: v.l.lock, open: v.Open, keys: policy.ArchiveKeys},
		cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = f.chain.run(ctx)
	}()
	return f
}

// stop ends it, however far it is.
func (f *following) stop() {
	f.cancel()
	<-f.done
}

// wait waits for the chains' ends and says what they found.
func (f *following) wait(report *Report) error {
	<-f.done
	if f.err != nil {
		return f.err
	}
	report.Archives, report.Asserts, report.Unconfirmed = f.chain.reports, f.chain.assertReports, f.chain.faults
	if len(f.chain.faults) > 0 {
		return &ArchiveError{Faults: f.chain.faults}
	}
	return nil
}
