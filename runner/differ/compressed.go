package differ

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"time"

	"satchel/aptmirror"
)

// compressed reads a stream whose format has no header worth reading.
func compressed(ext string) reader {
	return func(w *work, depth int, a, b part) ([]Difference, error) {
		return w.unpacked(ext, depth, a, b)
	}
}

// unpacked compares what two streams hold; if that is the same, they are packed
// otherwise.
func (w *work) unpacked(ext string, depth int, a, b part) ([]Difference, error) {
	ra, err := aptmirror.Decompress("first"+ext, a.section())
	if err != nil {
		return nil, err
	}
	defer ra.Close()
	rb, err := aptmirror.Decompress("second"+ext, b.section())
	if err != nil {
		return nil, err
	}
	defer rb.Close()
	pa, pb, failed := w.spoolBoth(ra, rb)
	d, err := w.file("content", depth, pa, pb)
	if err != nil {
		return nil, err
	}
	if d != nil {
		return []Difference{*d}, failed
	}
	if failed != nil {
		return nil, failed
	}
	at, err := w.firstDifference(a, b)
	if err != nil {
		return nil, err
	}
	return []Difference{{Where: at0x(at), Kind: Compression, Text: "the same content, compressed otherwise",
		First: fmt.Sprintf("%d bytes", a.size), Second: fmt.Sprintf("%d bytes", b.size),
		Hint: "another level, version or number of threads of the program that compresses"}}, nil
}

// gzips compares two gzip files: the header of the first stream, then the content.
func (w *work) gzips(depth int, a, b part) ([]Difference, error) {
	fa, err := gzipFields(a)
	if err != nil {
		return nil, err
	}
	fb, err := gzipFields(b)
	if err != nil {
		return nil, err
	}
	var out []Difference
	for i := range fa {
		if fa[i].value != fb[i].value {
			out = append(out, Difference{Where: "header", Kind: fa[i].kind, Text: fa[i].label, First: clip(fa[i].value), Second: clip(fb[i].value), Hint: w.fieldHint(fa[i], fb[i])})
		}
	}
	inside, err := w.unpacked(".gz", depth, a, b)
	if len(out) > 0 && len(inside) == 1 && inside[0].Kind == Compression {
		inside = nil // the header says it
	}
	return append(out, inside...), err
}

func gzipFields(p part) ([]field, error) {
	head := p.head(512 << 10)
	r, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return nil, err
	}
	level := map[byte]string{0: "none said", 2: "best", 4: "fastest"}[head[8]]
	if level == "" {
		level = fmt.Sprint(head[8])
	}
	moment := "" // 0 says that there is none
	if n := binary.LittleEndian.Uint32(head[4:]); n != 0 {
		moment = stamp(time.Unix(int64(n), 0))
	}
	return []field{
		{Time, "modification time (gzip -n leaves it out)", moment},
		{Header, "name (gzip -n leaves it out)", r.Name},
		{Header, "comment", r.Comment},
		{Header, "level", level},
		{Header, "operating system", fmt.Sprint(r.OS)},
		{Header, "extra field", fmt.Sprintf("%x", r.Extra)},
	}, nil
}
