//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// newSuffix is what dpkg puts behind the name of a conffile that has been
// unpacked and not yet configured.
const newSuffix = ".dpkg-new"

// placer puts staged packages into a tree, one after another, as dpkg would
// unpack them in that order. Only the order matters: contents are there
// already, and each file takes a rename.
type placer struct {
	tree      *tree
	owners    owners
	diverted  map[string]diversion
	owner     map[string]*claim // who owns a name (after diversion); not directories
	shipped   map[string]int64  // resolved name → modification time, files and links
	packages  []*staged         // in the order they were placed
	conffiles map[*staged]func(string) bool
	stale     map[*staged]bool // whose list of files has changed since it was written
	// fresh is true while the directories there are may be the engine's own:
	// the first package that ships one then says what its attributes are.
	fresh bool
	known map[string]bool // directories whose attributes a package has set
	// triggers are those that the packages set off; nil: none is looked for.
	triggers *activations
	// rest is true for the second part of a divided wave.
	rest bool
}

// claim is one package's hold on a name.
type claim struct {
	by    *staged
	entry *entry
}

func newPlacer(t *tree) *placer {
	return &placer{
		tree: t, owner: make(map[string]*claim), shipped: make(map[string]int64),
		conffiles: make(map[*staged]func(string) bool), stale: make(map[*staged]bool), known: make(map[string]bool),
	}
}

// place unpacks one package. It fails where dpkg would.
func (p *placer) place(ctx context.Context, s *staged) error {
	conf := isConffile(s)
	p.conffiles[s] = conf
	if p.triggers != nil {
		if err := p.triggers.begin(s); err != nil {
			return fmt.Errorf("unpacking %s: %w", s.label(), err)
		}
	}
	kept := s.entries[:0:0]
	for i := range s.entries {
		e := &s.entries[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		keep, err := p.entry(s, e, conf)
		if err != nil {
			return fmt.Errorf("unpacking %s: %w", s.label(), err)
		}
		if keep {
			kept = append(kept, *e)
		}
	}
	s.entries = kept
	if s.file("md5sums") == nil {
		s.sums = md5sums(s)
	}
	p.packages = append(p.packages, s)
	return os.RemoveAll(s.dir)
}

// entry places one entry. keep is false when another package keeps the name.
func (p *placer) entry(s *staged, e *entry, conf func(string) bool) (keep bool, err error) {
	name := e.name
	if d, ok := p.diverted[name]; ok && d.by != s.Name {
		name = d.to
	}
	if p.triggers != nil {
		p.triggers.path(s, name)
	}
	if e.kind == tar.TypeDir {
		return true, p.directory(e, name)
	}
	if keep, err := p.claim(s, e, name); err != nil || !keep {
		return false, err
	}
	where, err := p.tree.locate(name)
	if err != nil {
		return false, err
	}
	if err := p.file(s, e, where, conf); err != nil {
		return false, err
	}
	return true, nil
}

// directory makes a directory unless there is one, or a link to one: then it
// keeps its mode and owner, as with dpkg.
func (p *placer) directory(e *entry, name string) error {
	if name == "" {
		return nil
	}
	where, err := p.tree.locate(name)
	if err != nil {
		return err
	}
	switch st, err := os.Lstat(p.tree.at(where)); {
	case err == nil && st.IsDir():
		if !p.fresh || p.known[where] || slices.Contains(notListed[:], "/"+where) {
			return nil
		}
		p.known[where] = true
		return p.attributes(e, where)
	case err == nil && st.Mode()&os.ModeSymlink != 0:
		_, err := p.tree.dir(name)
		return err
	case err == nil:
		return fmt.Errorf("directory %q is a file of another package", clip(name, 200))
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := os.Mkdir(p.tree.at(where), 0o700); err != nil {
		return err
	}
	p.known[where] = true
	return p.attributes(e, where)
}

// file puts a file, link or device at where, in place of what is there.
func (p *placer) file(s *staged, e *entry, where string, conf func(string) bool) error {
	final := where
	if conf(e.name) {
		where += newSuffix
	}
	at := p.tree.at(where)
	switch st, err := os.Lstat(at); {
	case err == nil && st.IsDir():
		if e.kind == tar.TypeSymlink {
			return nil // dpkg never puts a link in a directory's place
		}
		return fmt.Errorf("file %q is a directory of another package", clip(where, 200))
	case err == nil:
		if e.kind != tar.TypeReg { // a rename replaces by itself
			if err := os.Remove(at); err != nil {
				return err
			}
		}
		if st.Mode()&os.ModeSymlink != 0 || e.kind == tar.TypeSymlink {
			p.tree.forget()
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if e.kind == tar.TypeLink {
		if err := p.hardLink(s, e, at, conf); err != nil {
			return err
		}
	} else if err := create(e, at); err != nil {
		return err
	}
	p.shipped[final] = e.time
	return p.attributes(e, where)
}

// hardLink gives a file of the same package a second name.
func (p *placer) hardLink(s *staged, e *entry, at string, conf func(string) bool) error {
	target := e.link
	if d, ok := p.diverted[target]; ok && d.by != s.Name {
		target = d.to
	}
	if c := p.owner[target]; c == nil || c.by != s {
		return fmt.Errorf("its hard link %q is to %q, which is another package's", clip(e.name, 200), clip(target, 200))
	}
	where, err := p.tree.locate(target)
	if err != nil {
		return err
	}
	p.shipped[where] = e.time
	if conf(e.link) {
		where += newSuffix
	}
	return os.Link(p.tree.at(where), at)
}

// create makes the file itself, without owner, mode and time.
func create(e *entry, at string) error {
	switch e.kind {
	case tar.TypeReg:
		return os.Rename(e.content, at)
	case tar.TypeSymlink:
		return os.Symlink(e.link, at)
	case tar.TypeFifo:
		return unix.Mkfifo(at, 0o600)
	case tar.TypeChar:
		return unix.Mknod(at, unix.S_IFCHR|0o600, int(unix.Mkdev(uint32(e.major), uint32(e.minor))))
	case tar.TypeBlock:
		return unix.Mknod(at, unix.S_IFBLK|0o600, int(unix.Mkdev(uint32(e.major), uint32(e.minor))))
	}
	return fmt.Errorf("unknown type %q", e.kind)
}

// attributes sets owner, mode and time, in the order that keeps set-id bits. A
// file that was put aside has the latter two, unless it changes hands.
func (p *placer) attributes(e *entry, where string) error {
	at := p.tree.at(where)
	uid, gid := p.owners.of(e)
	chown := uid != 0 || gid != 0 || os.Geteuid() != 0
	if chown {
		if err := os.Lchown(at, uid, gid); err != nil {
			return err
		}
	}
	if e.content != "" && !chown {
		return nil
	}
	if e.kind != tar.TypeSymlink {
		if err := syscall.Chmod(at, e.mode); err != nil {
			return &os.PathError{Op: "chmod", Path: at, Err: err}
		}
	}
	return setTime(at, e.time)
}

// setTime sets both times of a file, not following a link.
func setTime(at string, seconds int64) error {
	ts := []unix.Timespec{unix.NsecToTimespec(seconds * int64(time.Second)), unix.NsecToTimespec(seconds * int64(time.Second))}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, at, ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "utimes", Path: at, Err: err}
	}
	return nil
}
