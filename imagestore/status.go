package imagestore

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"satchel/manifest"
)

// Largest files that Status reads, in bytes.
const (
	maxStatus = 64 << 20
	maxSmall  = 64 << 10
)

// Status reads from the flattened view of image what a resolver needs to
// install packages on top of it:
//
//   - dpkgStatus is var/lib/dpkg/status, followed by the stanzas in
//     var/lib/dpkg/status.d (as distroless images have them, there without a
//     Status field), in order of name. It is empty if the image has neither.
//   - osRelease is etc/os-release or usr/lib/os-release; empty if neither.
//   - arch is dpkg's native architecture: that of the package dpkg itself, or
//     else the first line of var/lib/dpkg/arch; "" if nothing says it.
//
// Like Flatten it checks all hashes and diff IDs first, so that an image that
// it reads without an error is sound.
func Status(ctx context.Context, image manifest.Image, open Source) (dpkgStatus, osRelease []byte, arch string, err error) {
	t, err := readTree(ctx, image, open)
	if err != nil {
		return nil, nil, "", err
	}
	parts, err := t.statusFiles()
	if err != nil {
		return nil, nil, "", err
	}
	release := t.firstFile("etc/os-release", "usr/lib/os-release")
	native := t.firstFile("var/lib/dpkg/arch")
	got, err := readFiles(ctx, image, open, append(slices.Clone(parts), release, native))
	if err != nil {
		return nil, nil, "", err
	}
	for _, ino := range parts {
		text := got[ino]
		if len(dpkgStatus) > 0 && len(text) > 0 {
			dpkgStatus = append(bytes.TrimRight(dpkgStatus, "\n"), "\n\n"...)
		}
		dpkgStatus = append(dpkgStatus, text...)
	}
	if arch = dpkgArchitecture(dpkgStatus); arch == "" {
		first, _, _ := strings.Cut(string(got[native]), "\n")
		arch = strings.TrimSpace(first)
	}
	return dpkgStatus, got[release], arch, nil
}

// firstFile finds the first of names that is a regular file, through symbolic
// links; nil if none is.
func (t *tree) firstFile(names ...string) *inode {
	for _, name := range names {
		if ino := t.file(strings.Split(name, "/")); ino != nil {
			return ino
		}
	}
	return nil
}

func (t *tree) file(parts []string) *inode {
	from := t.root
	for range maxLinks {
		last := len(parts) - 1
		if last < 0 {
			return nil
		}
		dir, err := t.dirFrom(from, parts[:last], false)
		if err != nil || dir == nil {
			return nil
		}
		n := dir.kids[parts[last]]
		switch {
		case n == nil:
			return nil
		case n.ino.typ == tar.TypeReg:
			return n.ino
		case n.ino.typ != tar.TypeSymlink:
			return nil
		}
		parts, from = linkParts(n.ino.link), dir
		if strings.HasPrefix(n.ino.link, "/") {
			from = t.root
		}
	}
	return nil
}

// statusFiles lists dpkg's status file and the parts of status.d.
func (t *tree) statusFiles() ([]*inode, error) {
	var all []*inode
	if ino := t.firstFile("var/lib/dpkg/status"); ino != nil {
		all = append(all, ino)
	}
	dir, err := t.dir([]string{"var", "lib", "dpkg", "status.d"}, false)
	if err != nil || dir == nil {
		return all, nil //nolint:nilerr // no such directory
	}
	if len(dir.kids) > maxFiles {
		return nil, fmt.Errorf("reading %s: more than %d files: %w", dir.path(), maxFiles, ErrUnsupported)
	}
	for _, name := range slices.Sorted(maps.Keys(dir.kids)) {
		if n := dir.kids[name]; n.ino.typ == tar.TypeReg && !strings.HasSuffix(name, ".md5sums") {
			all = append(all, n.ino)
		}
	}
	return all, nil
}

// readFiles reads the content of some inodes; nil ones are left out.
func readFiles(ctx context.Context, image manifest.Image, open Source, inodes []*inode) (map[*inode][]byte, error) {
	got := map[*inode][]byte{}
	var total int64
	for i, layer := range image.Layers {
		wanted := map[int]*inode{}
		for _, ino := range inodes {
			if ino != nil && ino.layer == i {
				wanted[ino.index] = ino
			}
		}
		if len(wanted) == 0 {
			continue
		}
		_, err := walkLayer(ctx, layer, open, func(n int, h *tar.Header, body io.Reader) error {
			ino := wanted[n]
			if ino == nil {
				return nil
			}
			if total += ino.size; total > maxStatus {
				return fmt.Errorf("reading %.200q: more than %d bytes of status: %w", h.Name, maxStatus, ErrUnsupported)
			}
			text, err := io.ReadAll(body)
			got[ino] = text
			if delete(wanted, n); err == nil && len(wanted) == 0 {
				err = errStop
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return got, nil
}

// dpkgArchitecture finds the Architecture of the package dpkg in a status file.
func dpkgArchitecture(status []byte) string {
	for stanza := range bytes.SplitSeq(status, []byte("\n\n")) {
		stanza = bytes.TrimLeft(stanza, "\n")
		if !bytes.HasPrefix(stanza, []byte("Package: dpkg\n")) {
			continue
		}
		for line := range bytes.SplitSeq(stanza, []byte("\n")) {
			if v, ok := bytes.CutPrefix(line, []byte("Architecture:")); ok {
				return string(bytes.TrimSpace(v))
			}
		}
	}
	return ""
}
