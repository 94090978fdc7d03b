package imagestore

import (
	"archive/tar"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// xattrPrefix is how PAX (as star, GNU tar and Docker write it) spells an
// extended attribute.
const xattrPrefix = "SCHILY.xattr."

// entry is what is kept of a tar header: what a container's file system can
// hold, and nothing that a machine adds on its own.
type entry struct {
	typ          byte // tar.TypeReg, TypeDir, TypeSymlink, TypeChar, TypeBlock, TypeFifo, or TypeLink
	mode         int64
	uid, gid     int
	mtime        time.Time
	size         int64 // TypeReg
	link         string
	major, minor int64
	xattrs       map[string]string // keys with xattrPrefix; nil if none
}

// newEntry checks h and takes from it what is kept. h.Name is not looked at.
func newEntry(h *tar.Header) (entry, error) {
	e := entry{typ: h.Typeflag, mode: h.Mode & 0o7777, uid: h.Uid, gid: h.Gid, mtime: h.ModTime}
	if h.Mode < 0 || !validID(h.Uid) || !validID(h.Gid) {
		return e, fmt.Errorf("mode %o, owner %d, group %d are out of range", h.Mode, h.Uid, h.Gid)
	}
	if e.mtime.IsZero() {
		e.mtime = time.Unix(0, 0)
	}
	if y := e.mtime.UTC().Year(); y < 1900 || y > 9999 {
		return e, fmt.Errorf("a modification time in the year %d", y)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		e.typ, e.size = tar.TypeReg, h.Size
	case tar.TypeDir, tar.TypeFifo:
	case tar.TypeSymlink, tar.TypeLink:
		if h.Linkname == "" || len(h.Linkname) > 4095 || strings.IndexByte(h.Linkname, 0) >= 0 {
			return e, fmt.Errorf("a link to %.80q", h.Linkname)
		}
		e.link = h.Linkname
	case tar.TypeChar, tar.TypeBlock:
		e.major, e.minor = h.Devmajor, h.Devminor
		if !validDevice(e) {
			return e, fmt.Errorf("device number %d:%d", e.major, e.minor)
		}
	default:
		return e, fmt.Errorf("an entry of the unknown type %q", h.Typeflag)
	}
	return e, e.takeXattrs(h.PAXRecords)
}

func validID(id int) bool { return id >= 0 && int64(id) < 1<<32-1 }

// validDevice refuses 0:0 for characters besides numbers out of range: an
// overlay file system takes such a device for a removed file.
func validDevice(e entry) bool {
	if e.typ == tar.TypeChar && e.major == 0 && e.minor == 0 {
		return false
	}
	return e.major >= 0 && e.major < 1<<12 && e.minor >= 0 && e.minor < 1<<20
}

func (e *entry) takeXattrs(records map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(records)) {
		name, ok := strings.CutPrefix(k, xattrPrefix)
		if !ok {
			continue
		}
		if strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
			return fmt.Errorf("the attribute %s, which is overlayfs's own", name)
		}
		if name == "" || len(name) > 255 || len(records[k]) > 1<<16 {
			return fmt.Errorf("the attribute %.80q of %d bytes", name, len(records[k]))
		}
		if e.xattrs == nil {
			e.xattrs = make(map[string]string)
		}
		e.xattrs[k] = records[k]
	}
	return nil
}

// weight is about how many bytes e holds on to.
func (e *entry) weight() int64 {
	n := int64(len(e.link))
	for k, v := range e.xattrs {
		n += int64(len(k) + len(v))
	}
	return n
}

// header is the canonical header of e under name.
func (e *entry) header(name string) *tar.Header {
	if e.typ == tar.TypeDir {
		name += "/"
	}
	return &tar.Header{
		Format: tar.FormatPAX, Typeflag: e.typ, Name: name, Linkname: e.link,
		Mode: e.mode, Uid: e.uid, Gid: e.gid, Size: e.size, ModTime: e.mtime,
		Devmajor: e.major, Devminor: e.minor, PAXRecords: e.xattrs,
	}
}
