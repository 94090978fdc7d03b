package differ

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// zips compares two zip archives, jars too, by their central directories.
func (w *work) zips(depth int, a, b part) ([]Difference, error) {
	ma, ca, ea := w.zipMembers(a)
	mb, cb, eb := w.zipMembers(b)
	if err := both(ea, eb); err != nil {
		return nil, err
	}
	out, err := w.members(manner{one: "member", order: sortedHint}, depth, ma, mb)
	if ca != cb {
		out = append(out, Difference{Where: "the archive", Kind: Header, Text: "comment", First: clip(ca), Second: clip(cb), Hint: w.hint(ca, cb)})
	}
	return out, err
}

func (w *work) zipMembers(p part) (out []member, comment string, err error) {
	r, err := zip.NewReader(p, p.size)
	if err != nil {
		return nil, "", err
	}
	if len(r.File) > w.Members {
		return nil, "", errLimit
	}
	for _, f := range r.File {
		m := member{name: f.Name, fields: zipFields(f)}
		if !strings.HasSuffix(f.Name, "/") {
			m.open = func() (part, error) { return w.unzip(p, f) }
		}
		out = append(out, m)
	}
	return out, r.Comment, nil
}

// unzip gives a member's content: as it lies there if it is stored, or packed in a
// way that is not known here.
func (w *work) unzip(p part, f *zip.File) (part, error) {
	if f.Method != zip.Deflate {
		at, err := f.DataOffset()
		if err != nil {
			return part{}, err
		}
		return p.slice(at, int64(min(f.CompressedSize64, uint64(p.size)))), nil
	}
	r, err := f.Open()
	if err != nil {
		return part{}, err
	}
	defer r.Close()
	return w.spool(r)
}

func zipFields(f *zip.File) []field {
	return []field{
		{Time, "modification time", zipTime(f)},
		{Mode, "mode", fmt.Sprintf("%v (%#x)", f.Mode(), f.ExternalAttrs)},
		{Header, "way of packing", fmt.Sprint(f.Method)},
		{Header, "version and flags", fmt.Sprintf("made by %#x, read by %#x, flags %#x", f.CreatorVersion, f.ReaderVersion, f.Flags)},
		{Header, "comment", f.Comment},
		{Header, "extra field", extraKinds(f.Extra)},
		{Time, "times in the extra field", extraTimes(f.Extra)},
		{Header, "content of the extra field", fmt.Sprintf("%x", f.Extra)},
	}
}

// zipTime is the old field, which has no zone and steps of two seconds.
func zipTime(f *zip.File) string {
	d, t := int(f.ModifiedDate), int(f.ModifiedTime)
	return time.Date(d>>9+1980, time.Month(d>>5&15), d&31, t>>11, t>>5&63, t&31*2, 0, time.UTC).Format(time.DateTime)
}

// extras calls each for every block of an extra field, as far as it is sound.
func extras(extra []byte, each func(id uint16, data []byte)) {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		extra = extra[4:]
		if n > len(extra) {
			return
		}
		each(id, extra[:n])
		extra = extra[n:]
	}
}

func extraKinds(extra []byte) string {
	var ids []string
	extras(extra, func(id uint16, data []byte) { ids = append(ids, fmt.Sprintf("%#04x of %d bytes", id, len(data))) })
	return strings.Join(ids, ", ")
}

// extraTimes are those of Info-ZIP's extended timestamp, the modification first.
func extraTimes(extra []byte) string {
	var times []string
	extras(extra, func(id uint16, data []byte) {
		if id != 0x5455 || len(data) < 1 {
			return
		}
		for data = data[1:]; len(data) >= 4; data = data[4:] {
			times = append(times, stamp(time.Unix(int64(int32(binary.LittleEndian.Uint32(data))), 0)))
		}
	})
	return strings.Join(times, ", ")
}
