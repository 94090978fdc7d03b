package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"satchel/manifest"
)

// memory is a Store for tests: strict about how it is used.
type memory struct {
	mu      sync.Mutex
	blobs   map[manifest.Blob][]byte
	parts   map[manifest.Blob][]byte
	held    map[manifest.Blob]bool
	flushes int
	full    int64 // bytes after which every Write fails; 0: never
	written int64
}

var errFull = errors.New("no space left")

func newMemory() *memory {
	return &memory{blobs: map[manifest.Blob][]byte{}, parts: map[manifest.Blob][]byte{}, held: map[manifest.Blob]bool{}}
}

func (m *memory) Has(b manifest.Blob) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.blobs[b]
	return ok
}

func (m *memory) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flushes++
	return nil
}

func (m *memory) Partial(b manifest.Blob) (Partial, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[b] {
		return nil, fmt.Errorf("blob %s is opened twice", b.SHA256)
	}
	m.held[b] = true
	return &memoryPartial{m: m, b: b, data: bytes.Clone(m.parts[b])}, nil
}

func (m *memory) open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.held)
}

type memoryPartial struct {
	m      *memory
	b      manifest.Blob
	data   []byte
	closed bool
}

func (p *memoryPartial) Offset() int64 { return int64(len(p.data)) }

func (p *memoryPartial) Write(b []byte) (int, error) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if p.m.written += int64(len(b)); p.m.full > 0 && p.m.written > p.m.full {
		return 0, errFull
	}
	if p.closed || int64(len(p.data)+len(b)) > p.b.Size {
		return 0, errors.New("a write too many")
	}
	p.data = append(p.data, b...)
	return len(b), nil
}

func (p *memoryPartial) Reset() error { p.data = nil; return nil }

func (p *memoryPartial) Commit() error {
	if p.closed {
		return errors.New("commit after the end")
	}
	if int64(len(p.data)) != p.b.Size || manifest.Sum(p.data) != p.b.SHA256 {
		p.Discard()
		return fmt.Errorf("%w: in memory", manifest.ErrDigest)
	}
	p.m.mu.Lock()
	p.m.blobs[p.b] = p.data
	p.m.mu.Unlock()
	return p.Discard()
}

func (p *memoryPartial) Close() error { return p.end(p.data) }

func (p *memoryPartial) Discard() error { return p.end(nil) }

func (p *memoryPartial) end(keep []byte) error {
	if p.closed {
		return nil
	}
	p.closed = true
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	delete(p.m.held, p.b)
	delete(p.m.parts, p.b)
	if len(keep) > 0 {
		p.m.parts[p.b] = keep
	}
	return nil
}
