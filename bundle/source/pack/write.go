package pack

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"runtime"
	"slices"

	"github.com/klauspost/compress/zlib"
	"golang.org/x/sync/errgroup"
)

// Write writes a pack of what list holds, as the package comment says, reading
// the objects from from.
func (list *List) Write(ctx context.Context, from Objects, w io.Writer) error {
	alike := func(x, y item) int { return cmp.Or(cmp.Compare(x.path, y.path), cmp.Compare(y.size, x.size)) }
	slices.SortStableFunc(list.trees, alike)
	slices.SortStableFunc(list.blobs, alike)
	p := &packWriter{w: w, sum: sha1.New()} //nolint:gosec // git's format
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(list.seen)))
	if _, err := p.Write(head); err != nil {
		return err
	}
	if err := p.groups(ctx, from, slices.Concat(list.commits, list.trees, list.blobs)); err != nil {
		return err
	}
	_, err := w.Write(p.sum.Sum(nil))
	return err
}

// packWriter writes and sums.
type packWriter struct {
	w   io.Writer
	sum hash.Hash
}

func (p *packWriter) Write(b []byte) (int, error) {
	p.sum.Write(b)
	return p.w.Write(b)
}

// job is a piece of a pack on its way: a group, encoded by any worker, or a
// large object, which is written as it is read. done gets the former's bytes,
// and is closed after the latter.
type job struct {
	members []member
	direct  func(io.Writer) error
	done    chan []byte
}

// maxWorkers bounds memory: each has a group, what comes of it, and its window.
const maxWorkers = 4

// groups reads the objects of list one after the other, cuts them into groups
// and writes these. A few groups are in memory at a time.
func (p *packWriter) groups(ctx context.Context, from Objects, list []item) error {
	g, ctx := errgroup.WithContext(ctx)
	workers := min(max(1, runtime.GOMAXPROCS(0)), maxWorkers)
	todo, order := make(chan job), make(chan job, 1)
	for range workers {
		g.Go(func() error {
			var e encoder
			for j := range todo {
				out, err := e.encode(j.members)
				if err != nil {
					return err
				}
				j.done <- bytes.Clone(out)
			}
			return nil
		})
	}
	g.Go(func() error { return p.inOrder(ctx, order) })
	g.Go(func() error {
		defer close(order)
		defer close(todo)
		c := &cutter{from: from, send: func(j job) error {
			if err := give(ctx, order, j); err != nil || j.direct != nil {
				return err
			}
			return give(ctx, todo, j)
		}}
		return c.cut(ctx, list)
	})
	return g.Wait()
}

func give(ctx context.Context, c chan<- job, j job) error {
	select {
	case c <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *packWriter) inOrder(ctx context.Context, order <-chan job) error {
	for j := range order {
		if j.direct != nil {
			if err := j.direct(p); err != nil {
				return err
			}
			close(j.done)
			continue
		}
		select {
		case out := <-j.done:
			if _, err := p.Write(out); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// cutter reads objects and sends them off in groups.
type cutter struct {
	from  Objects
	send  func(job) error
	group []member
	size  int64
}

func (c *cutter) flush() error {
	if len(c.group) == 0 {
		return nil
	}
	j := job{members: c.group, done: make(chan []byte, 1)}
	c.group, c.size = nil, 0
	return c.send(j)
}

func (c *cutter) cut(ctx context.Context, list []item) error {
	asked := 0
	for done, it := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		for asked < len(list) && asked-done < MaxAsked {
			if err := c.from.Ask(list[asked].id); err != nil {
				return err
			}
			asked++
		}
		_, k, n, err := c.from.Next()
		if err != nil {
			return err
		}
		if k != it.kind {
			return fmt.Errorf("object %s is a %s, not a %s: %w", it.id, k, it.kind, ErrUnsound)
		}
		if n > deltaMax {
			if err := c.large(ctx, it, n); err != nil {
				return err
			}
			continue
		}
		if c.closed(it, n) {
			if err := c.flush(); err != nil {
				return err
			}
		}
		content, err := ReadContent(c.from, n)
		if err != nil {
			return err
		}
		c.group = append(c.group, member{it, content})
		c.size += n
	}
	return c.flush()
}

// closed tells whether it, of n bytes, begins a new group.
func (c *cutter) closed(it item, n int64) bool {
	if len(c.group) == 0 {
		return false
	}
	last := c.group[len(c.group)-1]
	if last.path != it.path || last.kind != it.kind {
		return len(c.group) >= groupObjects || c.size >= groupBytes
	}
	return len(c.group) >= groupCount || c.size+n > groupMost
}

// large sends an object off that is not held in memory, and waits for it.
func (c *cutter) large(ctx context.Context, it item, size int64) error {
	if err := c.flush(); err != nil {
		return err
	}
	j := job{done: make(chan []byte), direct: func(w io.Writer) error {
		return c.from.Content(size, func(r io.Reader) error { return writeLarge(w, it, size, r) })
	}}
	if err := c.send(j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func writeLarge(w io.Writer, it item, size int64, r io.Reader) error {
	if _, err := w.Write(appendEntry(nil, it.kind, size)); err != nil {
		return err
	}
	zw, err := zlib.NewWriterLevel(w, zlibLevel)
	if err != nil {
		return err
	}
	h := sha1.New() //nolint:gosec // git's names
	h.Write(objectHeader(it.kind, size))
	if _, err := io.Copy(zw, io.TeeReader(r, h)); err != nil {
		return err
	}
	if got := ID(h.Sum(nil)); got != it.id {
		return damaged(it.id, got)
	}
	return zw.Close()
}
