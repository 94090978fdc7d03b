package sandbox

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"satchel/bundle/stage"
)

// checkStatic refuses a program that would need a dynamic linker: the
// container has none before its packages are unpacked.
func checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("reading the container's init %s: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("reading the container's init %s: it is dynamically linked; build satchel with CGO_ENABLED=0", path)
		}
	}
	return nil
}

// copyInit copies the program at src to dir/<sha256>, unless it is there, and
// returns that path. The copy is complete whenever it has its name. A copy is
// needed because src may be replaced by an update while a container runs, and
// may lie where a user namespace may not read.
func copyInit(src, dir string) (string, error) {
	if err := checkStatic(src); err != nil {
		return "", err
	}
	in, err := os.Open(src)
	if err != nil {
		return "", fmt.Errorf("copying the container's init: %w", err)
	}
	defer in.Close()
	sum, size, err := hashFile(in)
	if err != nil {
		return "", fmt.Errorf("copying the container's init %s: %w", src, err)
	}
	final := filepath.Join(dir, sum)
	if st, err := os.Lstat(final); err == nil && st.Mode().IsRegular() && st.Size() == size {
		return final, nil
	}
	tmp, err := stage.File(dir, ".new-", "")
	if err != nil {
		return "", fmt.Errorf("copying the container's init: %w", err)
	}
	defer os.Remove(tmp.Name())
	if err := fillInit(tmp, in, sum); err != nil {
		return "", fmt.Errorf("copying the container's init %s: %w", src, err)
	}
	if err := os.Rename(tmp.Name(), final); err != nil {
		return "", fmt.Errorf("copying the container's init: %w", err)
	}
	return final, syncDir(dir)
}

// fillInit writes what in holds from its start, checks its sum, and closes tmp.
func fillInit(tmp, in *os.File, sum string) error {
	h := sha256.New()
	_, err := in.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(io.MultiWriter(tmp, h), in)
	}
	if err == nil && hex.EncodeToString(h.Sum(nil)) != sum {
		err = errors.New("it changed while it was copied")
	}
	if err == nil {
		err = tmp.Chmod(0o555)
	}
	if err == nil {
		err = tmp.Sync()
	}
	return errors.Join(err, tmp.Close())
}

func hashFile(f *os.File) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing folder: %w", err)
	}
	return nil
}
