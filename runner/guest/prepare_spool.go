//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
)

// receive writes the stream's packages to dir, each checked against its
// Blob, and reads their control parts.
func (p *preparer) receive(ctx context.Context, in *tar.Reader, dir string) ([]*staged, error) {
	all := make([]*staged, 0, len(p.plan.Packages))
	seen := make(map[string]bool)
	for i, d := range p.plan.Packages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := &staged{Deb: d, rank: i, path: filepath.Join(dir, strconv.Itoa(i)+".deb"), dir: filepath.Join(dir, strconv.Itoa(i))}
		if key := d.Name + ":" + d.Architecture; seen[key] {
			return nil, fmt.Errorf("receiving %s: the plan has the package twice", s.label())
		} else {
			seen[key] = true
		}
		if err := receiveOne(in, "deb/"+strconv.Itoa(i), s); err != nil {
			return nil, fmt.Errorf("receiving %s: %w", s.label(), err)
		}
		if err := s.readControl(); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	switch h, err := in.Next(); {
	case err == nil:
		return nil, fmt.Errorf("receiving: the stream goes on with %q", clip(h.Name, 80))
	case err != io.EOF:
		return nil, fmt.Errorf("receiving: %w", err)
	}
	return all, nil
}

func receiveOne(in *tar.Reader, name string, s *staged) error {
	h, err := in.Next()
	if err != nil {
		return err
	}
	if h.Name != name || h.Size != s.Size {
		return fmt.Errorf("the stream has %q of %d bytes where %q of %d belongs", clip(h.Name, 80), h.Size, name, s.Size)
	}
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, s.Blob.Verify(in))
	return errors.Join(err, f.Close())
}

// stager unpacks packages aside on all processors, wave by wave, within a
// wave the largest first, so that the last to finish is a small one.
type stager struct {
	done []chan struct{} // one for each wave, closed when it is staged
	wait func() error
}

// stageAll starts to stage all waves. The caller must call wait; after an
// error of any package, done may never be closed.
func stageAll(ctx context.Context, all [][]*staged, epoch int64) *stager {
	st := &stager{}
	var jobs []stageJob
	left := make([]sync.WaitGroup, len(all))
	for w, wave := range all {
		st.done = append(st.done, make(chan struct{}))
		for _, s := range largestFirst(wave) {
			jobs = append(jobs, stageJob{s, &left[w]})
		}
		left[w].Add(len(wave))
	}
	g, gctx := errgroup.WithContext(ctx)
	queue := make(chan stageJob)
	g.Go(func() error {
		defer close(queue)
		for _, j := range jobs {
			select {
			case queue <- j:
			case <-gctx.Done():
				return gctx.Err()
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for j := range queue {
				if err := j.s.stage(gctx, epoch); err != nil {
					return err
				}
				j.left.Done()
			}
			return nil
		})
	}
	for w := range all {
		go func() {
			left[w].Wait()
			close(st.done[w])
		}()
	}
	st.wait = sync.OnceValue(g.Wait)
	return st
}

type stageJob struct {
	s    *staged
	left *sync.WaitGroup
}
