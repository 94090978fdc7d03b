package imagestore

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"satchel/manifest"
)

// Options say which image is wanted.
type Options struct {
	// Architecture is dpkg's name of the architecture (amd64, i386, …) or
	// gitian's linux64. It must be given.
	Architecture string
	// Ref chooses one image of an archive that holds several: a name that the
	// archive gives it, or its digest.
	Ref string
}

// SplitRef takes "FILE#REF" apart. A name without "#" is all FILE.
func SplitRef(name string) (file, ref string) {
	if i := strings.LastIndexByte(name, '#'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// Import stores the base system that open reads, and describes it. The package
// comment says what is recognised. name is a file's name; its last part goes
// to Image.From, followed by "#" and opts.Ref if that was given. open is called
// several times, for the same bytes, and what it returns is closed. After an
// error, out may hold blobs that no image names.
func Import(ctx context.Context, name string, open func() (io.ReadCloser, error), out Store, opts Options) (manifest.Image, error) {
	image, err := importTar(ctx, open, out, opts)
	return finish(image, name, opts, err)
}

// ImportPath is Import for a file or for a directory that holds an OCI layout.
func ImportPath(ctx context.Context, name string, out Store, opts Options) (manifest.Image, error) {
	info, err := os.Stat(name)
	if err != nil {
		return manifest.Image{}, fmt.Errorf("importing image: %w", err)
	}
	if info.IsDir() {
		return importDir(ctx, name, out, opts)
	}
	if !info.Mode().IsRegular() {
		return manifest.Image{}, fmt.Errorf("importing image %s: it is neither a file nor a directory: %w", name, ErrUnsupported)
	}
	return Import(ctx, name, func() (io.ReadCloser, error) { return os.Open(name) }, out, opts)
}

func importDir(ctx context.Context, name string, out Store, opts Options) (manifest.Image, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return manifest.Image{}, fmt.Errorf("importing image: %w", err)
	}
	defer root.Close()
	image, err := importLayout(ctx, dirFiles{root.FS()}, out, opts)
	return finish(image, name, opts, err)
}

func finish(image manifest.Image, name string, opts Options, err error) (manifest.Image, error) {
	if err != nil {
		return manifest.Image{}, fmt.Errorf("importing image %s: %w", name, err)
	}
	image.From = path.Base(filepath.ToSlash(name))
	if opts.Ref != "" {
		image.From += "#" + opts.Ref
	}
	return image, nil
}

func importTar(ctx context.Context, open func() (io.ReadCloser, error), out Store, opts Options) (manifest.Image, error) {
	if _, err := platformOf(opts.Architecture); err != nil {
		return manifest.Image{}, err
	}
	kind, err := sniff(ctx, open)
	if err != nil {
		return manifest.Image{}, err
	}
	if kind == kindRoot {
		if opts.Ref != "" {
			return manifest.Image{}, fmt.Errorf("choosing %q: a root tarball holds one system only", opts.Ref)
		}
		return importRoot(ctx, open, out, opts)
	}
	files, err := scanTar(ctx, open)
	if err != nil {
		return manifest.Image{}, err
	}
	switch {
	case files.has("index.json"):
		return importLayout(ctx, files, out, opts)
	case files.has("manifest.json"):
		return importSaved(ctx, files, out, opts)
	}
	return manifest.Image{}, fmt.Errorf("it is a tar, but neither of a root file system (it has no etc, usr, …), "+
		"nor written by docker save, nor an OCI layout: %w", ErrUnsupported)
}

type tarKind int

const (
	kindArchive tarKind = iota
	kindRoot
)

// sniff reads just enough of a tar to tell a root file system from an archive
// of images. What is neither counts as an archive.
func sniff(ctx context.Context, open func() (io.ReadCloser, error)) (kind tarKind, err error) {
	err = readTar(ctx, open, false, func(_ int, h *tar.Header, _ io.Reader) error {
		first, _, _ := strings.Cut(strings.TrimPrefix(path.Clean("/"+h.Name), "/"), "/")
		switch first {
		case "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt",
			"proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var":
			kind = kindRoot
			return errStop
		case "blobs", "index.json", "manifest.json", "oci-layout":
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	if errors.Is(err, tar.ErrHeader) {
		err = fmt.Errorf("it is no tar, or not in a compression that is read (gzip, xz, zstd, bzip2, lz4): %w", err)
	}
	return kind, err
}

// readTar opens a tar in any compression and walks it; with strict set it must
// have its end marker.
func readTar(ctx context.Context, open func() (io.ReadCloser, error), strict bool, fn func(i int, h *tar.Header, body io.Reader) error) error {
	rc, err := open()
	if err != nil {
		return err
	}
	defer rc.Close()
	dec, err := decompress(ctx, rc)
	if err != nil {
		return err
	}
	defer dec.Close()
	ahead := readAhead(dec)
	defer ahead.Close()
	return walkTar(ctx, ahead, maxBytes, strict, fn)
}
