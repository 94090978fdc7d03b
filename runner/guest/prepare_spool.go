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
	"strconv"
)

// receive writes the stream's packages to dir, each checked against its
// Blob, reads their control parts, and hands each on.
func (p *preparer) receive(ctx context.Context, in *tar.Reader, dir string, each func(*staged)) ([]*staged, error) {
	all := make([]*staged, len(p.plan.Packages))
	seen := make(map[string]bool)
	for _, i := range p.plan.Stream() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d := p.plan.Packages[i]
		s := &staged{Deb: d, rank: i, path: filepath.Join(dir, strconv.Itoa(i)+".deb"), dir: filepath.Join(dir, strconv.Itoa(i)), ready: make(chan struct{})}
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
		all[i] = s
		each(s)
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
