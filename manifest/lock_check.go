package manifest

import (
	"fmt"
	"strings"
)

// MaxBlob is the largest size in bytes that a lock may give a blob: 1 TiB.
const MaxBlob = 1 << 40

// lockProblem is a problem that knows where in the lock it is.
type lockProblem struct{ path, message string }

func (p lockProblem) String() string { return pathName(p.path) + ": " + p.message }

// lockChecker judges a lock as a whole.
type lockChecker struct {
	list     []lockProblem
	archives map[string]bool
	sizes    map[Digest]int64  // of each blob seen
	paths    map[string]Digest // of each file of an archive seen
	names    map[string]bool   // descriptors
	used     map[string]bool   // descriptors that have a target
	asserted map[string]bool   // descriptors that have an assert
}

func (c *lockChecker) bad(path, format string, args ...any) {
	if len(c.list) <= maxProblems {
		c.list = append(c.list, lockProblem{path, fmt.Sprintf(format, args...)})
	}
}

func (c *lockChecker) check(path string, err error) {
	if err != nil {
		c.bad(path, "%v", err)
	}
}

func (c *lockChecker) lock(l *Lock) {
	c.archives, c.names, c.used = map[string]bool{}, map[string]bool{}, map[string]bool{}
	c.sizes, c.paths, c.asserted = map[Digest]int64{}, map[string]Digest{}, map[string]bool{}
	if l.Version != LockVersion {
		c.bad("satchel-lock", "version %d is not known; this satchel reads version %d", l.Version, LockVersion)
		return
	}
	if len(l.Descriptors) == 0 {
		c.bad("descriptors", "there is none")
	}
	last := ""
	for i, a := range l.Archives {
		path := fmt.Sprintf("archives[%d]", i)
		last = c.order(path, last, a.ID())
		c.archives[a.ID()] = true
		c.archive(path, a)
	}
	last = ""
	for i, d := range l.Descriptors {
		path := fmt.Sprintf("descriptors[%d]", i)
		last = c.order(path, last, d.Name)
		c.names[d.Name] = true
		c.descriptor(path, d)
	}
	c.asserts(l.Asserts)
	c.targets(l.Targets)
	for i, d := range l.Descriptors {
		if !c.used[d.Name] {
			c.bad(fmt.Sprintf("descriptors[%d]", i), "no target builds %q", shorten(d.Name))
		}
	}
}

// order notes that cur does not come after last, and returns cur.
func (c *lockChecker) order(path, last, cur string) string {
	switch {
	case last == "":
	case cur == last:
		c.bad(path, "%q is listed twice", shorten(cur))
	case cur < last:
		c.bad(path, "%q must come before %q", shorten(cur), shorten(last))
	}
	return cur
}

func (c *lockChecker) blob(path string, b Blob) {
	if b.SHA256.IsZero() {
		c.bad(join(path, "sha256"), "it is missing: nothing may be unpinned")
		return
	}
	if b.Size < 0 || b.Size > MaxBlob {
		c.bad(join(path, "size"), "%d is no size", b.Size)
	}
	if size, ok := c.sizes[b.SHA256]; ok && size != b.Size {
		c.bad(join(path, "size"), "%s has %d bytes here and %d elsewhere", b.SHA256, b.Size, size)
	}
	c.sizes[b.SHA256] = b.Size
}

// archiveFile checks that one path of an archive has one hash.
func (c *lockChecker) archiveFile(path, archive, file string, b Blob) {
	key := archive + " " + file
	if d, ok := c.paths[key]; ok && d != b.SHA256 {
		c.bad(path, "%s of %s is %s here and %s elsewhere", shorten(file), shorten(archive), b.SHA256, d)
	}
	c.paths[key] = b.SHA256
}

func (c *lockChecker) descriptor(path string, d DescriptorPin) {
	c.check(join(path, "name"), CheckName(d.Name))
	if !clean(d.File) || d.File == "" || strings.ContainsAny(d.File, "/\\") || d.File == "." || d.File == ".." {
		c.bad(join(path, "file"), "%q is no name of a file", shorten(d.File))
	}
	c.blob(path, d.Blob)
	if d.Size > maxDescriptor {
		c.bad(join(path, "size"), "a descriptor has at most %d bytes", maxDescriptor)
	}
	c.check(join(path, "reference"), checkDate(d.Reference))
	seen := map[string]bool{}
	for i, s := range d.Sources {
		p := fmt.Sprintf("%s.sources[%d]", path, i)
		c.twice(p, seen, s.Dir)
		c.source(p, s)
	}
	seen = map[string]bool{}
	for i, f := range d.Files {
		p := fmt.Sprintf("%s.files[%d]", path, i)
		c.twice(p, seen, f.Name)
		c.file(p, f)
	}
}

func (c *lockChecker) twice(path string, seen map[string]bool, s string) {
	if seen[s] {
		c.bad(path, "%q is listed twice", shorten(s))
	}
	seen[s] = true
}

func (c *lockChecker) source(path string, s SourcePin) {
	c.check(join(path, "dir"), CheckName(s.Dir))
	c.check(join(path, "url"), CheckURL(s.URL))
	c.check(join(path, "ref"), CheckCommit(s.Ref))
	c.object(join(path, "commit"), s.Commit)
	if s.Tag != "" {
		c.object(join(path, "tag"), s.Tag)
	}
	c.check(join(path, "date"), checkDate(s.Date))
	c.blob(join(path, "pack"), s.Pack)
	last := ""
	for i, m := range s.Submodules {
		p := fmt.Sprintf("%s.submodules[%d]", path, i)
		last = c.order(p, last, m.Path)
		c.check(join(p, "path"), checkPath(m.Path))
		c.check(join(p, "name"), checkPath(m.Name))
		c.check(join(p, "url"), CheckURL(m.URL))
		c.object(join(p, "commit"), m.Commit)
		c.blob(join(p, "pack"), m.Pack)
	}
}

func (c *lockChecker) object(path, s string) {
	if !hexDigits(s, 40) || strings.Trim(s, "0") == "" {
		c.bad(path, "%q is no git object: want 40 lower-case hexadecimal digits", shorten(s))
	}
}

func (c *lockChecker) file(path string, f FilePin) {
	c.check(join(path, "name"), CheckFileName(f.Name))
	c.blob(path, f.Blob)
	if f.URL != "" {
		c.check(join(path, "url"), checkWebURL(f.URL))
	}
	if f.SourcePackage == "" {
		if f.Archive != "" || f.Path != "" {
			c.bad(path, "archive and path stand only beside source-package")
		}
		return
	}
	if f.URL != "" {
		c.bad(path, "url and source-package exclude each other")
	}
	if !packageName(f.SourcePackage) {
		c.bad(join(path, "source-package"), "%q is no name of a package", shorten(f.SourcePackage))
	}
	c.inArchive(path, f.Archive, f.Path, f.Blob)
}

// inArchive checks a file of an archive's pool.
func (c *lockChecker) inArchive(path, archive, file string, b Blob) {
	if !c.archives[archive] {
		c.bad(join(path, "archive"), "%q is not among the archives", shorten(archive))
	}
	c.check(join(path, "path"), checkPath(file))
	c.archiveFile(path, archive, file, b)
}
