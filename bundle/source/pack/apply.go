package pack

// applyDelta makes an object out of base as d says. Its size is at most
// deltaMax. buf is room to use.
func applyDelta(buf, base, d []byte) ([]byte, error) {
	from, d, ok := deltaSize(d)
	if !ok || from != len(base) {
		return nil, bad("a delta for a base of another size")
	}
	size, d, ok := deltaSize(d)
	if !ok || size > deltaMax {
		return nil, bad("a delta that makes too much")
	}
	if cap(buf) < size {
		buf = make([]byte, 0, size)
	}
	out := buf[:0]
	for len(d) > 0 {
		op := d[0]
		d = d[1:]
		var piece []byte
		switch {
		case op == 0:
			return nil, bad("a delta with an unknown instruction")
		case op&0x80 == 0:
			if len(d) < int(op) {
				return nil, bad("a delta that is cut short")
			}
			piece, d = d[:op], d[op:]
		default:
			at, n, rest, ok := copyArgs(op, d)
			if !ok || at > len(base) || n > len(base)-at {
				return nil, bad("a delta that copies from outside its base")
			}
			piece, d = base[at:at+n], rest
		}
		if len(out)+len(piece) > size {
			return nil, bad("a delta that makes more than it says")
		}
		out = append(out, piece...)
	}
	if len(out) != size {
		return nil, bad("a delta that makes less than it says")
	}
	return out, nil
}

// copyArgs reads offset and size of a copy instruction.
func copyArgs(op byte, d []byte) (at, n int, rest []byte, ok bool) {
	for i := range 7 {
		if op>>i&1 == 0 {
			continue
		}
		if len(d) == 0 {
			return 0, 0, nil, false
		}
		if i < 4 {
			at |= int(d[0]) << (8 * i)
		} else {
			n |= int(d[0]) << (8 * (i - 4))
		}
		d = d[1:]
	}
	if n == 0 {
		n = maxPiece
	}
	return at, n, d, true
}

func deltaSize(d []byte) (n int, rest []byte, ok bool) {
	for shift := 0; shift < 35 && len(d) > 0; shift += 7 {
		c := d[0]
		d = d[1:]
		n |= int(c&0x7f) << shift
		if c&0x80 == 0 {
			return n, d, true
		}
	}
	return 0, nil, false
}
