//go:build linux

package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ownPrefix begins the names, at the root, that belong to satchel.
const ownPrefix = ".satchel"

// maxLinks bounds the symbolic links met in one path, as the kernel does.
const maxLinks = 40

// tree is a root file system that packages are put into. Paths are resolved
// here and not by the kernel, so that a link can lead nowhere outside of root
// and, what must not happen either, nowhere into the engine's own mounts.
type tree struct {
	root string            // without a trailing slash: "" is the process's own root
	dirs map[string]string // directory as named → without links; forgotten when a link changes
}

func newTree(root string) *tree {
	return &tree{root: strings.TrimSuffix(root, "/"), dirs: map[string]string{"": ""}}
}

// at returns the host's path of a resolved name.
func (t *tree) at(name string) string { return t.root + "/" + name }

// forget drops what is known of directories.
func (t *tree) forget() { t.dirs = map[string]string{"": ""} }

// locate resolves every directory of name, but not its last element, and
// returns where the file itself is or would be.
func (t *tree) locate(name string) (string, error) {
	dir, base := split(name)
	real, err := t.dir(dir)
	if err != nil {
		return "", fmt.Errorf("finding %q: %w", clip(name, 200), err)
	}
	where := join(real, base)
	if top, below, _ := strings.Cut(where, "/"); below != "" && (top == "dev" || top == "proc" || top == "sys") ||
		strings.HasPrefix(top, ownPrefix) {
		return "", fmt.Errorf("finding %q: it is %q, the container's own", clip(name, 200), clip(where, 200))
	}
	return where, nil
}

// dir resolves a directory, all its links followed within the root.
func (t *tree) dir(name string) (string, error) {
	if real, ok := t.dirs[name]; ok {
		return real, nil
	}
	parent, base := split(name)
	real, err := t.dir(parent)
	if err != nil {
		return "", err
	}
	links := 0
	real, err = t.follow(join(real, base), &links)
	if err != nil {
		return "", err
	}
	t.dirs[name] = real
	return real, nil
}

// follow resolves name, whose parent is resolved already, to a directory.
func (t *tree) follow(name string, links *int) (string, error) {
	st, err := os.Lstat(t.at(name))
	if err != nil {
		return "", err
	}
	if st.IsDir() {
		return name, nil
	}
	if st.Mode()&os.ModeSymlink == 0 {
		return "", fmt.Errorf("%q is not a directory", clip(name, 200))
	}
	if *links++; *links > maxLinks {
		return "", errors.New("too many symbolic links")
	}
	target, err := os.Readlink(t.at(name))
	if err != nil {
		return "", err
	}
	real, _ := split(name)
	if strings.HasPrefix(target, "/") {
		real = ""
	}
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			real, _ = split(real)
		default:
			if real, err = t.follow(join(real, part), links); err != nil {
				return "", err
			}
		}
	}
	return real, nil
}

// split is filepath.Split for names without slashes at the ends.
func split(name string) (dir, base string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

func join(dir, base string) string {
	if dir == "" || base == "" {
		return dir + base
	}
	return dir + "/" + base
}

// write makes a file of the database or of the configuration, whole, mode as given.
func (t *tree) write(name string, content []byte, mode os.FileMode) error {
	where, err := t.locate(name)
	if err != nil {
		return err
	}
	tmp := t.at(where) + ".satchel-new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(mode), f.Close(), os.Rename(tmp, t.at(where))); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// read returns a file's content; one that is not there is empty.
func (t *tree) read(name string) ([]byte, error) {
	where, err := t.locate(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(t.at(where), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// exists tells whether there is anything at name.
func (t *tree) exists(name string) bool {
	where, err := t.locate(name)
	if err != nil {
		return false
	}
	_, err = os.Lstat(t.at(where))
	return err == nil
}

// mkdirs makes a directory and those above it, 0755.
func (t *tree) mkdirs(name string) error {
	return os.MkdirAll(filepath.Clean(t.at(name)), 0o755)
}

// replace rewrites a file that is there, keeping its mode and owner, which st
// says.
func (t *tree) replace(name string, st os.FileInfo, change func([]byte) []byte) error {
	old, err := t.read(name)
	if err != nil {
		return err
	}
	if err := t.write(name, change(old), st.Mode().Perm()); err != nil {
		return err
	}
	sys := st.Sys().(*syscall.Stat_t)
	return os.Lchown(t.at(name), int(sys.Uid), int(sys.Gid))
}
