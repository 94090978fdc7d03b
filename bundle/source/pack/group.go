package pack

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"strconv"

	"github.com/klauspost/compress/zlib"
)

// Cuts and limits of a pack; part of its format, as the package comment says.
const (
	groupObjects = 2048     // a group is closed after so many objects
	groupBytes   = 8 << 20  // or so much content, as soon as the path changes,
	groupMost    = 64 << 20 // and at so much content in any case,
	groupCount   = 1 << 15  // or so many objects
	deltaMax     = 4 << 20  // larger objects are neither deltas nor bases
	deltaWindow  = 10       // objects before one that may be its base
	deltaDepth   = 50       // deltas upon one another
	deltaEnough  = 48       // bytes; a delta this small is not bettered
	zlibLevel    = 6
)

// member is an object of a group.
type member struct {
	item
	content []byte
}

// encoder makes the pack entries of one group after the other. It is used by
// one goroutine.
type encoder struct {
	out    bytes.Buffer
	zw     *zlib.Writer
	window []candidate // the last ones, oldest first
	bufs   [2][]byte
}

// candidate is an object that may be a base.
type candidate struct {
	kind    Kind
	at      int // where its entry begins in the group
	depth   int
	content []byte
	index   *deltaIndex // of content, once it was needed
}

// encode returns the entries of a group's members, which are valid until the
// next call. It checks that each object is what its name says.
func (e *encoder) encode(group []member) ([]byte, error) {
	e.out.Reset()
	e.window = e.window[:0]
	for i := range group {
		m := &group[i]
		if got := hashObject(m.kind, m.content); got != m.id {
			return nil, damaged(m.id, got)
		}
		at := e.out.Len()
		base, delta := e.best(m)
		depth := 0
		if delta != nil {
			depth = base.depth + 1
			e.out.Write(appendEntry(nil, ofsDelta, int64(len(delta))))
			e.out.Write(appendOffset(nil, at-base.at))
		} else {
			delta = m.content
			e.out.Write(appendEntry(nil, m.kind, int64(len(m.content))))
		}
		if err := e.deflate(delta); err != nil {
			return nil, err
		}
		e.remember(m, at, depth)
	}
	return e.out.Bytes(), nil
}

func damaged(want, got ID) error {
	return fmt.Errorf("reading object %s: its content has the name %s; the work repository is damaged, remove it", want, got)
}

// best finds the smallest delta for m, if one is worth it. The deeper a base
// stands already, the more it has to save.
func (e *encoder) best(m *member) (base candidate, delta []byte) {
	if len(m.content) < 50 {
		return base, nil
	}
	limit := len(m.content)/2 - 20
	spare := 0
	for i := len(e.window) - 1; i >= 0 && (delta == nil || len(delta) > deltaEnough); i-- {
		c := &e.window[i]
		size := len(c.content)
		if c.kind != m.kind || c.depth >= deltaDepth || size < len(m.content)/32 {
			continue
		}
		allowed := limit * (deltaDepth - c.depth) / deltaDepth
		if delta != nil {
			allowed = min(allowed, len(delta)-1)
		}
		if len(m.content)-size >= allowed { // it adds too much
			continue
		}
		if c.index == nil {
			c.index = newDeltaIndex(c.content)
		}
		if d := c.index.delta(e.bufs[spare], m.content, allowed); d != nil {
			e.bufs[spare] = d
			base, delta = *c, d
			spare = 1 - spare
		}
	}
	return base, delta
}

func (e *encoder) remember(m *member, at, depth int) {
	if len(e.window) == deltaWindow {
		e.window = append(e.window[:0], e.window[1:]...)
	}
	e.window = append(e.window, candidate{kind: m.kind, at: at, depth: depth, content: m.content})
}

func (e *encoder) deflate(b []byte) error {
	if e.zw == nil {
		var err error
		if e.zw, err = zlib.NewWriterLevel(&e.out, zlibLevel); err != nil {
			return err
		}
	} else {
		e.zw.Reset(&e.out)
	}
	if _, err := e.zw.Write(b); err != nil {
		return err
	}
	return e.zw.Close()
}

// hashObject is the name of an object.
func hashObject(k Kind, content []byte) ID {
	h := sha1.New() //nolint:gosec // git's names
	h.Write(objectHeader(k, int64(len(content))))
	h.Write(content)
	return ID(h.Sum(nil))
}

func objectHeader(k Kind, size int64) []byte {
	return append(strconv.AppendInt([]byte(k.String()+" "), size, 10), 0)
}

// appendEntry begins an entry of a pack: type and size of what is inflated.
func appendEntry(out []byte, k Kind, size int64) []byte {
	c := byte(k)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		out = append(out, c|0x80)
		c = byte(size & 0x7f)
	}
	return append(out, c)
}

// appendOffset writes how far before an entry its base begins.
func appendOffset(out []byte, n int) []byte {
	var b [10]byte
	at := len(b) - 1
	b[at] = byte(n & 0x7f)
	for n >>= 7; n > 0; n >>= 7 {
		n--
		at--
		b[at] = byte(n&0x7f) | 0x80
	}
	return append(out, b[at:]...)
}
