package imagestore

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// files are the contents of an archive of images, wherever they are.
type files interface {
	has(name string) bool
	// document returns a small file, which must be JSON.
	document(name string) ([]byte, error)
	// each calls fn for each of the files that are named, in any order.
	each(ctx context.Context, names []string, fn func(name string, r io.Reader) error) error
}

// dirFiles are files in a directory.
type dirFiles struct{ fsys fs.FS }

func (d dirFiles) has(name string) bool {
	info, err := fs.Stat(d.fsys, name)
	return err == nil && info.Mode().IsRegular()
}

func (d dirFiles) document(name string) ([]byte, error) {
	if !d.has(name) {
		return nil, fmt.Errorf("opening %s: %w", name, fs.ErrNotExist)
	}
	f, err := d.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err == nil && len(raw) > maxJSON {
		err = fmt.Errorf("reading %s: more than %d bytes: %w", name, maxJSON, ErrUnsupported)
	}
	return raw, err
}

func (d dirFiles) each(ctx context.Context, names []string, fn func(string, io.Reader) error) error {
	for _, name := range names {
		if !d.has(name) {
			return fmt.Errorf("opening %s: %w", name, fs.ErrNotExist)
		}
		f, err := d.fsys.Open(name)
		if err != nil {
			return err
		}
		err = fn(name, ctxReader{ctx, f})
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// tarFiles are files in a tar, which is read twice: once for names and
// documents, once for blobs.
type tarFiles struct {
	open  func() (io.ReadCloser, error)
	at    map[string]int    // number of the entry with the content, by clean name
	links map[string]string // links within the archive; docker save writes them for equal layers
	docs  map[string][]byte
}

// scanTar lists the tar that open reads, and keeps its JSON documents.
func scanTar(ctx context.Context, open func() (io.ReadCloser, error)) (*tarFiles, error) {
	t := &tarFiles{open: open, at: map[string]int{}, links: map[string]string{}, docs: map[string][]byte{}}
	var kept int64
	err := readTar(ctx, open, true, func(i int, h *tar.Header, body io.Reader) error {
		parts, err := splitName(h.Name)
		if err != nil || h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
			return err
		}
		if i >= maxFiles {
			return fmt.Errorf("more than %d entries: %w", maxFiles, ErrUnsupported)
		}
		name := strings.Join(parts, "/")
		delete(t.at, name)
		delete(t.links, name)
		delete(t.docs, name)
		switch h.Typeflag {
		case tar.TypeSymlink:
			t.links[name] = path.Join(path.Dir("/"+name), h.Linkname)[1:]
			return nil
		case tar.TypeLink:
			t.links[name] = path.Join("/", h.Linkname)[1:]
			return nil
		case tar.TypeReg:
			t.at[name] = i
		default:
			return nil
		}
		if h.Size == 0 || h.Size > maxJSON {
			return nil
		}
		doc, err := jsonStart(body)
		if err != nil || doc == nil {
			return err
		}
		if kept += h.Size; kept > maxAllJSON {
			return fmt.Errorf("more than %d bytes of JSON: %w", maxAllJSON, ErrUnsupported)
		}
		t.docs[name], err = io.ReadAll(doc)
		return err
	})
	return t, err
}

// jsonStart returns body if it begins as a JSON object or array, else nil.
func jsonStart(body io.Reader) (io.Reader, error) {
	head := make([]byte, 16)
	n, err := io.ReadFull(body, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	text := bytes.TrimLeft(head[:n], " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return nil, nil
	}
	return io.MultiReader(bytes.NewReader(head[:n]), body), nil
}

// resolve follows links within the archive; "" means that nothing is there.
func (t *tarFiles) resolve(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	for range maxLinks {
		to, ok := t.links[name]
		if !ok {
			break
		}
		name = to
	}
	if _, ok := t.at[name]; !ok {
		return ""
	}
	return name
}

func (t *tarFiles) has(name string) bool { return t.resolve(name) != "" }

func (t *tarFiles) document(name string) ([]byte, error) {
	at := t.resolve(name)
	if at == "" {
		return nil, fmt.Errorf("opening %.200q in the archive: %w", name, fs.ErrNotExist)
	}
	doc, ok := t.docs[at]
	if !ok {
		return nil, fmt.Errorf("reading %.200q in the archive: it is no JSON of at most %d bytes: %w", name, maxJSON, ErrUnsupported)
	}
	return doc, nil
}

func (t *tarFiles) each(ctx context.Context, names []string, fn func(string, io.Reader) error) error {
	wanted := map[int][]string{}
	for _, name := range names {
		at := t.resolve(name)
		if at == "" {
			return fmt.Errorf("opening %.200q in the archive: %w", name, fs.ErrNotExist)
		}
		i := t.at[at]
		if len(wanted[i]) > 0 {
			return fmt.Errorf("reading %.200q in the archive: it is the same file as %.200q", name, wanted[i][0])
		}
		wanted[i] = append(wanted[i], name)
	}
	err := readTar(ctx, t.open, true, func(i int, _ *tar.Header, body io.Reader) error {
		for _, name := range wanted[i] {
			if err := fn(name, body); err != nil {
				return err
			}
		}
		delete(wanted, i)
		if len(wanted) == 0 {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	if err == nil && len(wanted) > 0 {
		err = fmt.Errorf("reading the archive again: %d of its files are gone", len(wanted))
	}
	return err
}
