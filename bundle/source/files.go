package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"satchel/manifest"
)

// ErrNoFile is wrapped when the inputs directory lacks a file.
var ErrNoFile = errors.New("not in the inputs directory")

// maxFile is the largest input file that is taken.
const maxFile = 64 << 30

// Locate finds the file that a descriptor calls name in the user's inputs
// directory and stores it; the pin has name, hash and size. The bytes are
// hashed while they are copied, so a file that changes later changes nothing.
// It must be a plain file; a symbolic link is followed as long as it stays
// within the directory. A missing one gives an error that wraps ErrNoFile.
func Locate(ctx context.Context, name, inputs string, out Store) (manifest.FilePin, error) {
	blob, err := locate(ctx, name, inputs, out)
	if err != nil {
		return manifest.FilePin{}, fmt.Errorf("taking file %.200q from %s: %w", name, inputs, err)
	}
	return manifest.FilePin{Name: name, Blob: blob}, nil
}

func locate(ctx context.Context, name, inputs string, out Store) (manifest.Blob, error) {
	if err := checkFileName(name); err != nil {
		return manifest.Blob{}, err
	}
	root, err := os.OpenRoot(inputs)
	if err != nil {
		return manifest.Blob{}, err
	}
	defer root.Close()
	// Stat first: opening a fifo would wait, opening a device may do anything.
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return manifest.Blob{}, fmt.Errorf("%w%s", ErrNoFile, nearby(inputs, name))
	case err != nil:
		return manifest.Blob{}, err
	case !info.Mode().IsRegular():
		return manifest.Blob{}, fmt.Errorf("it is %s, not a plain file: %w", info.Mode().Type(), ErrRefused)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return manifest.Blob{}, err
	}
	defer f.Close()
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		return manifest.Blob{}, errors.Join(errors.New("it was exchanged for another while it was opened"), err)
	}
	blob, err := out.Add(ctx, f, maxFile)
	if err != nil {
		return manifest.Blob{}, err
	}
	if now, err := f.Stat(); err != nil || now.Size() != blob.Size || !now.ModTime().Equal(info.ModTime()) {
		return manifest.Blob{}, errors.Join(errors.New("it changed while it was read"), err)
	}
	return blob, nil
}

// checkFileName holds a name to gitian's grammar, with the characters that
// Tor's gbuild took besides.
func checkFileName(name string) error {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-@+~", c) >= 0) {
			return fmt.Errorf("the character %q: %w", c, ErrRefused)
		}
	}
	if strings.Trim(name, ".") == "" || len(name) > 255 {
		return fmt.Errorf("no name of a file: %w", ErrRefused)
	}
	return nil
}

// nearby says which names in the directory look like the one that is missing:
// equal but for case, or another version of the same.
func nearby(inputs, name string) string {
	entries, err := os.ReadDir(inputs)
	if err != nil {
		return ""
	}
	stem := func(s string) string {
		s = strings.ToLower(filepath.Base(s))
		if i := strings.IndexAny(s, "0123456789"); i > 2 {
			s = s[:i]
		}
		return s
	}
	var near []string
	for _, e := range entries {
		if stem(e.Name()) == stem(name) && len(near) < 5 {
			near = append(near, fmt.Sprintf("%q", e.Name()))
		}
	}
	if near == nil {
		return ""
	}
	return "; there is " + strings.Join(near, ", ")
}
