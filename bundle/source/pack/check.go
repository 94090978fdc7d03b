package pack

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/pjbgf/sha1cd"
)

// Content is what Check found in a pack.
type Content struct {
	Objects int
	Date    string // author date of the commit, as in a pin
}

// Check reads a pack in one pass and says whether it is sound and complete:
// every object is well formed and used as what it is, commit is there, tag (a
// tag object's name, or commit again for a lightweight tag, or "") leads to it,
// everything that they reach is there, and nothing else. Names are computed by
// a SHA-1 that detects collisions.
//
// It takes packs of the form that the package comment describes, which are the
// only ones that can be checked so with bounded memory: some forty bytes an
// object, and sixty megabytes. It needs neither git nor a disk. The error
// wraps ErrUnsound, unless r failed.
func Check(r io.Reader, commit, tag string) (Content, error) {
	want, err := ParseID(commit)
	if err != nil {
		return Content{}, fmt.Errorf("checking pack: commit: %w", err)
	}
	root := want
	if tag != "" {
		if root, err = ParseID(tag); err != nil {
			return Content{}, fmt.Errorf("checking pack: tag: %w", err)
		}
	}
	held := &heldReader{r: r, sum: sha1.New()} //nolint:gosec // git's format
	c := &checker{in: bufio.NewReaderSize(held, 1<<16), held: held, commit: want, uses: map[ID]use{}, tags: map[ID]ID{}}
	err = c.run()
	if err == nil {
		err = c.complete(root)
	}
	switch {
	case held.err != nil:
		return Content{}, fmt.Errorf("checking pack of commit %s: reading it: %w", commit, held.err)
	case err != nil:
		return Content{}, fmt.Errorf("checking pack of commit %s: %w", commit, err)
	}
	return Content{Objects: c.count, Date: c.date}, nil
}

// use is what is known of an object: its kind, and whether it has been seen
// and whether another object names it.
type use byte

const (
	kindMask use = 7
	seen     use = 8
	named    use = 16
)

type checker struct {
	in     *bufio.Reader
	held   *heldReader
	count  int
	commit ID
	date   string
	uses   map[ID]use
	tags   map[ID]ID // tag object → what it names
	window []plain   // the last objects that may be bases, oldest first
	zr     io.ReadCloser
	bufs   [][]byte
}

// plain is an object that has been read.
type plain struct {
	at      int64
	kind    Kind
	content []byte
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsound, fmt.Sprintf(format, args...))
}

func (c *checker) run() error {
	head := make([]byte, 12)
	if _, err := io.ReadFull(c.in, head); err != nil {
		return bad("its header: %v", err)
	}
	if string(head[:8]) != "PACK\x00\x00\x00\x02" {
		return bad("it does not begin as a pack of version 2")
	}
	n := binary.BigEndian.Uint32(head[8:])
	if n > maxObjects {
		return bad("%d objects, at most %d are read", n, maxObjects)
	}
	c.count = int(n)
	for i := range c.count {
		if err := c.object(); err != nil {
			return fmt.Errorf("object %d at byte %d: %w", i, c.offset(), err)
		}
	}
	return c.trailer()
}

// offset is how much of the pack has been taken in.
func (c *checker) offset() int64 { return c.held.n - int64(c.in.Buffered()) }

// trailer checks the pack's own sum, and that it is the end.
func (c *checker) trailer() error {
	sum := make([]byte, sha1.Size)
	if _, err := io.ReadFull(c.in, sum); err != nil {
		return bad("its end: %v", err)
	}
	if _, err := c.in.ReadByte(); err != io.EOF {
		return bad("there are bytes after its end (%v)", err)
	}
	if !bytes.Equal(sum, c.held.sum.Sum(nil)) {
		return bad("its sum is wrong")
	}
	return nil
}

// object reads one entry.
func (c *checker) object() error {
	at := c.offset()
	k, size, err := c.entry()
	if err != nil {
		return err
	}
	switch {
	case k == ofsDelta:
		return c.delta(at, size)
	case k < Commit || k > Tag:
		return bad("an entry of type %d", byte(k))
	case size > deltaMax:
		c.window = c.window[:0]
		return c.large(k, size)
	}
	content, err := c.inflate(c.spare(), size)
	if err != nil {
		return err
	}
	return c.take(plain{at, k, content})
}

// entry reads the beginning of an entry.
func (c *checker) entry() (k Kind, size int64, err error) {
	b, err := c.in.ReadByte()
	if err != nil {
		return 0, 0, bad("it is cut short")
	}
	k, size = Kind(b>>4&7), int64(b&15)
	for shift := 4; b&0x80 != 0; shift += 7 {
		if b, err = c.in.ReadByte(); err != nil {
			return 0, 0, bad("it is cut short")
		}
		if shift > 39 {
			return 0, 0, bad("a size of too many digits")
		}
		size |= int64(b&0x7f) << shift
	}
	if size > MaxObject {
		return 0, 0, bad("a size of %d bytes", size)
	}
	return k, size, nil
}

// delta reads the rest of an OFS_DELTA entry.
func (c *checker) delta(at, size int64) error {
	var back int64
	for i := 0; ; i++ {
		b, err := c.in.ReadByte()
		if err != nil || i > 7 {
			return bad("the offset of a base")
		}
		back = back<<7 | int64(b&0x7f)
		if b&0x80 == 0 {
			break
		}
		back++
	}
	var base *plain
	for i := range c.window {
		if c.window[i].at == at-back {
			base = &c.window[i]
		}
	}
	if base == nil {
		return bad("a delta whose base is not among the %d objects before it", deltaWindow)
	}
	if size > deltaMax {
		return bad("a delta of %d bytes", size)
	}
	d, err := c.inflate(nil, size)
	if err != nil {
		return err
	}
	content, err := applyDelta(c.spare(), base.content, d)
	if err != nil {
		return err
	}
	return c.take(plain{at, base.kind, content})
}

// spare is room for an object: that of the one that leaves the window.
func (c *checker) spare() []byte {
	if n := len(c.bufs); n > 0 {
		b := c.bufs[n-1]
		c.bufs = c.bufs[:n-1]
		return b
	}
	return nil
}

func (c *checker) open() error {
	if c.zr == nil {
		zr, err := zlib.NewReader(c.in)
		c.zr = zr
		return err
	}
	return c.zr.(zlib.Resetter).Reset(c.in, nil)
}

// inflate reads size bytes of compressed content.
func (c *checker) inflate(buf []byte, size int64) ([]byte, error) {
	if err := c.open(); err != nil {
		return nil, bad("compressed content: %v", err)
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if _, err := io.ReadFull(c.zr, buf); err != nil {
		return nil, bad("compressed content: %v", err)
	}
	return buf, c.inflated()
}

func (c *checker) inflated() error {
	if n, err := io.ReadFull(c.zr, make([]byte, 1)); n != 0 || err != io.EOF {
		return bad("compressed content: it does not end where it should (%v)", err)
	}
	return nil
}

// large reads an object that is not kept; only a blob can be that large.
func (c *checker) large(k Kind, size int64) error {
	if k != Blob {
		return c.largeParsed(k, size)
	}
	if err := c.open(); err != nil {
		return bad("compressed content: %v", err)
	}
	h := sha1cd.New()
	h.Write(objectHeader(k, size))
	if _, err := io.CopyN(h, c.zr, size); err != nil {
		return bad("compressed content: %v", err)
	}
	if err := c.inflated(); err != nil {
		return err
	}
	id, err := sumOf(h)
	if err != nil {
		return err
	}
	return c.mark(id, k, seen)
}

// largeParsed reads a tree, commit or tag that is too large for the window.
func (c *checker) largeParsed(k Kind, size int64) error {
	if size > MaxParsed {
		return bad("a %s of %d bytes", k, size)
	}
	content, err := c.inflate(nil, size)
	if err != nil {
		return err
	}
	return c.parse(plain{kind: k, content: content})
}

// take parses an object and puts it into the window.
func (c *checker) take(p plain) error {
	if len(c.window) == deltaWindow {
		c.bufs = append(c.bufs, c.window[0].content)
		c.window = append(c.window[:0], c.window[1:]...)
	}
	c.window = append(c.window, p)
	return c.parse(p)
}

// heldReader sums all that is read of r but the last twenty bytes, which are
// the sum itself.
type heldReader struct {
	r    io.Reader
	sum  hash.Hash
	held []byte
	n    int64
	err  error // of r, if it failed
}

func (h *heldReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.n += int64(n)
	if err != nil && err != io.EOF {
		h.err = err
	}
	h.held = append(h.held, p[:n]...)
	if k := len(h.held) - sha1.Size; k > 0 {
		h.sum.Write(h.held[:k])
		h.held = append(h.held[:0], h.held[k:]...)
	}
	return n, err
}

func sumOf(h hash.Hash) (ID, error) {
	cd, ok := h.(sha1cd.CollisionResistantHash)
	if !ok {
		return ID{}, errors.New("no collision detecting SHA-1")
	}
	sum, collision := cd.CollisionResistantSum(nil)
	if collision {
		return ID{}, bad("object %x was made to collide with another", sum)
	}
	return ID(sum), nil
}
