package differ

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tars compares two tar archives, in any of the formats.
func (w *work) tars(depth int, a, b part) ([]Difference, error) {
	ma, ea := w.tarMembers(a)
	mb, eb := w.tarMembers(b)
	out, err := w.members(manner{one: "member", order: sortedHint + " (tar --sort=name)"}, depth, ma, mb)
	return out, errors.Join(both(ea, eb), err)
}

func (w *work) tarMembers(p part) ([]member, error) {
	s := p.section()
	r := tar.NewReader(s)
	var out []member
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err == nil {
			err = w.ctx.Err()
		}
		if err == nil && len(out) >= w.Members {
			err = errLimit
		}
		if err != nil {
			return out, err
		}
		at, err := s.Seek(0, io.SeekCurrent)
		if err != nil {
			return out, err
		}
		m := member{name: h.Name, fields: tarFields(h)}
		if h.Typeflag == tar.TypeReg {
			content := p.slice(at, h.Size)
			m.open = func() (part, error) { return content, nil }
		}
		if sparse(h) { // what lies there is less than its size
			m.fields = append(m.fields, field{Header, "sparse", strconv.FormatInt(h.Size, 10)})
			m.open = nil
		}
		out = append(out, m)
	}
}

// sparse tells whether a member's holes are left out.
func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// tarFields are what a header says, always in the same order and number.
func tarFields(h *tar.Header) []field {
	number := func(n int) string { return strconv.Itoa(n) }
	return []field{
		{Type, "type", fmt.Sprintf("%q", h.Typeflag)},
		{Link, "link", h.Linkname},
		{Time, "modification time", stamp(h.ModTime)},
		{Time, "access time", stamp(h.AccessTime)},
		{Time, "change time", stamp(h.ChangeTime)},
		{Mode, "mode", fmt.Sprintf("%04o", h.Mode)},
		{Owner, "user number", number(h.Uid)},
		{Owner, "group number", number(h.Gid)},
		{Owner, "user name", h.Uname},
		{Owner, "group name", h.Gname},
		{Header, "device", fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)},
		{Header, "form of the header", h.Format.String()},
		{Header, "extended records", records(h.PAXRecords)},
	}
}

// records are those that no other field shows.
func records(all map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		switch k {
		case "path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime", "atime", "ctime":
			continue
		}
		out = append(out, k+"="+all[k])
	}
	return strings.Join(out, " ")
}

// stamp is a moment as it is shown and compared: with all its digits.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// seconds is a moment that is written as seconds since 1970; what is no number stays.
func seconds(text string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return text
	}
	return stamp(time.Unix(n, 0))
}
