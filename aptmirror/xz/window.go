package xz

// window is what has been unpacked last: at least as much as chunks may copy
// from, and what nobody has read yet.
type window struct {
	buf   []byte // ends where what is unpacked ends
	begin int    // of what nobody has read yet
	end   int
	size  uint32 // of the dictionary
}

func (w *window) left() int { return w.end - w.begin }

// read gives away what nobody has read yet.
func (w *window) read(p []byte) int {
	n := copy(p, w.buf[w.begin:w.end])
	w.begin += n
	return n
}

// forget empties the window. Nothing of it is unread.
func (w *window) forget() { w.buf, w.begin, w.end = w.buf[:0], 0, 0 }

// room makes place for n bytes at the end and returns it; what is in it is to
// be overwritten. Nothing of the window is unread. What is kept moves only by
// multiples of 16, so that a place keeps the last four bits of its number, by
// which LZMA chooses probabilities.
func (w *window) room(n int) []byte {
	if w.end+n+step > cap(w.buf) {
		keep := min(w.end, int(w.size))
		from := (w.end - keep) &^ 15
		buf := w.buf[:cap(w.buf)]
		if most := int(w.size) + min(int(w.size), 16<<20) + maxPlain + 2*step; w.end-from+n+step > cap(w.buf) || 2*cap(w.buf) <= most {
			buf = make([]byte, max(w.end-from+n+step, min(2*cap(w.buf), most)))
		}
		copy(buf, w.buf[from:w.end])
		w.buf, w.end = buf, w.end-from
	}
	w.begin = w.end
	w.end += n
	w.buf = w.buf[:w.end]
	return w.buf[w.begin:]
}
