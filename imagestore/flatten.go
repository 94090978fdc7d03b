package imagestore

import (
	"archive/tar"
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"satchel/manifest"
)

// Flatten writes the root file system of image to w, as one uncompressed tar
// in the order and form that the package comment promises. The bytes depend on
// the image alone. Hashes and diff IDs of all layers are checked; w has
// received something useful only if the error is nil. Memory grows with the
// number of names, not with content.
func Flatten(ctx context.Context, image manifest.Image, open Source, w io.Writer) error {
	t, err := readTree(ctx, image, open)
	if err != nil {
		return err
	}
	bw := bufio.NewWriterSize(w, 1<<18)
	out := &flattener{t: t, tw: tar.NewWriter(bw), names: map[*inode][]*node{}, buf: make([]byte, 1<<16)}
	if err := out.directories(t.root); err != nil {
		return fmt.Errorf("flattening image: %w", err)
	}
	if err := out.files(ctx, image, open); err != nil {
		return fmt.Errorf("flattening image: %w", err)
	}
	if err := out.rest(); err != nil {
		return fmt.Errorf("flattening image: %w", err)
	}
	if err := out.tw.Close(); err != nil {
		return fmt.Errorf("flattening image: %w", err)
	}
	return bw.Flush()
}

// readTree applies all layers of image and checks them against its config.
func readTree(ctx context.Context, image manifest.Image, open Source) (*tree, error) {
	want, err := diffIDs(image, open)
	if err != nil {
		return nil, err
	}
	t := newTree()
	for i, layer := range image.Layers {
		t.layer = i
		got, err := walkLayer(ctx, layer, open, func(n int, h *tar.Header, _ io.Reader) error { return t.apply(n, h) })
		if err != nil {
			return nil, err
		}
		if got != want[i] {
			return nil, fmt.Errorf("reading layer %s: its uncompressed bytes have the hash %s, the config says %s: %w",
				layer.SHA256, got, want[i], manifest.ErrDigest)
		}
	}
	return t, nil
}

// diffIDs reads the config of image: one digest for each layer.
func diffIDs(image manifest.Image, open Source) ([]manifest.Digest, error) {
	if image.Kind != manifest.ImageOCI || image.Manifest == nil || image.Config == nil {
		return nil, fmt.Errorf("reading image of kind %q: only one with manifest and config can be read", image.Kind)
	}
	raw, err := readBlob(image.Config.Blob, open)
	if err != nil {
		return nil, fmt.Errorf("reading image config: %w", err)
	}
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("reading image config: %w", err)
	}
	return c.diffIDs(len(image.Layers))
}

// readBlob reads a small blob whole.
func readBlob(b manifest.Blob, open Source) ([]byte, error) {
	if b.Size < 0 || b.Size > maxJSON {
		return nil, fmt.Errorf("blob %s of %d bytes, at most %d are read: %w", b.SHA256, b.Size, maxJSON, ErrUnsupported)
	}
	rc, err := open.Open(b)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(b.Verify(rc))
}

// flattener writes a tree.
type flattener struct {
	t     *tree
	tw    *tar.Writer
	names map[*inode][]*node // all names of what is no directory, in order
	order []*inode           // the keys of names, by their first name
	buf   []byte
}

// directories writes all directories from n down, and notes the names of
// everything else.
func (f *flattener) directories(n *node) error {
	if err := f.tw.WriteHeader(n.ino.header(n.path())); err != nil {
		return fmt.Errorf("writing %.200q: %w", n.path(), err)
	}
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		kid := n.kids[name]
		if kid.kids != nil {
			if err := f.directories(kid); err != nil {
				return err
			}
			continue
		}
		if f.names[kid.ino] == nil {
			f.order = append(f.order, kid.ino)
		}
		f.names[kid.ino] = append(f.names[kid.ino], kid)
	}
	return nil
}

// files writes the regular files, in one pass over each layer that has any.
func (f *flattener) files(ctx context.Context, image manifest.Image, open Source) error {
	wanted := make([]map[int]*inode, len(image.Layers))
	for _, ino := range f.order {
		if ino.typ != tar.TypeReg {
			continue
		}
		if wanted[ino.layer] == nil {
			wanted[ino.layer] = map[int]*inode{}
		}
		wanted[ino.layer][ino.index] = ino
	}
	for i, layer := range image.Layers {
		if wanted[i] == nil {
			continue
		}
		_, err := walkLayer(ctx, layer, open, func(n int, _ *tar.Header, body io.Reader) error {
			if ino := wanted[i][n]; ino != nil {
				delete(wanted[i], n)
				return f.inode(ino, body)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(wanted[i]) > 0 {
			return fmt.Errorf("reading layer %s: it changed while it was read", layer.SHA256)
		}
	}
	return nil
}

// rest writes what is neither a directory nor a file.
func (f *flattener) rest() error {
	for _, ino := range f.order {
		if ino.typ != tar.TypeReg {
			if err := f.inode(ino, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// inode writes one inode under its first name, and its other names after it.
func (f *flattener) inode(ino *inode, body io.Reader) error {
	names := f.names[ino]
	first := names[0].path()
	if err := f.tw.WriteHeader(ino.header(first)); err != nil {
		return fmt.Errorf("writing %.200q: %w", first, err)
	}
	if ino.size > 0 {
		if n, err := io.CopyBuffer(f.tw, body, f.buf); err != nil || n != ino.size {
			return fmt.Errorf("writing %.200q, %d of %d bytes: %w", first, n, ino.size, cmp.Or(err, io.ErrUnexpectedEOF))
		}
	}
	link := entry{typ: tar.TypeLink, mode: ino.mode, uid: ino.uid, gid: ino.gid, mtime: ino.mtime, link: first}
	for _, n := range names[1:] {
		if err := f.tw.WriteHeader(link.header(n.path())); err != nil {
			return fmt.Errorf("writing %.200q: %w", n.path(), err)
		}
	}
	return nil
}
