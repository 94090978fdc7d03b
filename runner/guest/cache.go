//go:build linux

package guest

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// placeCache unpacks the entries "cache/…" that follow the files into ~/cache
// when the build has a cache. Only folders and regular files are taken, as
// only those are what an earlier sendResults kept of it.
func placeCache(b *Build, in *tar.Reader) error {
	if !b.Cache {
		return nil
	}
	root, err := os.OpenRoot(filepath.Join(b.Home, "cache"))
	if err != nil {
		return fmt.Errorf("placing the cache: %w", err)
	}
	defer root.Close()
	for {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("placing the cache: %w", err)
		}
		if err := placeCacheEntry(root, h, in); err != nil {
			return fmt.Errorf("placing %q of the cache: %w", h.Name, err)
		}
	}
}

func placeCacheEntry(root *os.Root, h *tar.Header, in io.Reader) error {
	name, ok := strings.CutPrefix(path.Clean(h.Name), "cache/")
	if !ok && path.Clean(h.Name) == "cache" {
		return nil
	}
	if !ok || !filepath.IsLocal(name) {
		return fmt.Errorf("it is not below cache/")
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(name, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
		return root.Lchown(name, buildUID, buildGID)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(f, in); err != nil {
			return err
		}
		if err := f.Chmod(os.FileMode(h.Mode) & 0o777); err != nil {
			return err
		}
		return f.Chown(buildUID, buildGID)
	}
	return fmt.Errorf("it is neither a file nor a folder")
}
