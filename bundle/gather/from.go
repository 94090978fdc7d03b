package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"satchel/aptmirror/fetch"
	"satchel/bundle/store"
	"satchel/manifest"
)

// A Finder takes blobs out of what somebody has at hand: folders of .debs and
// files, apt's caches and lists, mounted discs, mirrors on a disk, and bundles.
// What counts is the hash. A file is read only if its size is that of a blob that
// is still wanted; those whose name fits are read first.
type Finder struct {
	Store *store.Store
	Story func(line string)
	// Progress is told of the bytes that are copied, of all that is still wanted. Each In
	// begins and ends it. NewFinder's tells nobody.
	Progress fetch.Progress
	// Budget is how many bytes are read, in one folder, of files that have a wanted
	// size and another name. 0: sixteen times what is wanted, and 4 GiB at least.
	Budget int64

	mu    sync.Mutex
	want  map[manifest.Digest]manifest.NeededBlob // not found yet
	hints map[manifest.Digest][]string            // names that each may have
}

// NewFinder looks for those of the blobs that s does not have. Of each, name,
// path and address are hints.
func NewFinder(s *store.Store, blobs []manifest.NeededBlob, story func(string)) *Finder {
	f := &Finder{Store: s, Story: story, Progress: fetch.NoProgress{}, want: map[manifest.Digest]manifest.NeededBlob{}, hints: map[manifest.Digest][]string{}}
	for _, b := range blobs {
		if _, ok := s.Find(b.SHA256); !s.Has(b.Blob) && !(ok && Unsized(b)) {
			f.want[b.SHA256] = b
			f.hints[b.SHA256] = hints(b)
		}
	}
	return f
}

// Wanted lists what the lock names, with all that it knows of where it is.
func Wanted(lock *manifest.Lock) []manifest.NeededBlob {
	whence := origins(lock)
	var all []manifest.NeededBlob
	for _, r := range lock.Blobs() {
		b := whence[r.SHA256]
		b.Name, b.Blob = r.Title, r.Blob
		all = append(all, b)
	}
	return all
}

// In takes what is wanted out of a folder, a bundle or a single file. That
// something in a folder cannot be read is told and no error.
func (f *Finder) In(ctx context.Context, place string) error {
	fi, err := os.Stat(place)
	if err != nil {
		return err
	}
	before := f.left()
	if before == 0 {
		return nil
	}
	f.begin()
	defer f.Progress.Done()
	switch {
	case fi.IsDir():
		err = f.folder(ctx, place)
	case fi.Mode().IsRegular():
		err = f.file(ctx, place)
	default:
		err = errors.New("it is neither a folder nor a file")
	}
	if err != nil {
		return fmt.Errorf("taking content from %s: %w", place, err)
	}
	f.Story(fmt.Sprintf("%s: %d of %d blobs", place, before-f.left(), before))
	return nil
}

// begin tells how much is wanted.
func (f *Finder) begin() {
	f.mu.Lock()
	total, items := int64(0), len(f.want)
	for _, b := range f.want {
		total += b.Size
	}
	f.mu.Unlock()
	f.Progress.Start(total, items)
}

func (f *Finder) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.want)
}

// file takes a bundle's blobs, or is a blob itself.
func (f *Finder) file(ctx context.Context, name string) error {
	r, _, err := openRegular(name)
	if err != nil {
		return err
	}
	defer r.Close()
	head := make([]byte, len(bundleStart))
	if _, err := io.ReadFull(r, head); err == nil && string(head) == bundleStart {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return f.bundle(ctx, r)
	}
	found, err := f.tryFile(ctx, name)
	if err == nil && !found {
		err = errors.New("it is no bundle, and nothing that is wanted")
	}
	return err
}

// Unsized tells that nobody knows how long a blob is: an assert tells its hash alone.
func Unsized(b manifest.NeededBlob) bool {
	return b.Size == 0 && b.SHA256 != manifest.Sum(nil)
}

// sized lists what is wanted of a size, and, as if it had that, what is wanted of
// any size if the file's name fits.
func (f *Finder) sized(size int64, name string) []manifest.NeededBlob {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []manifest.NeededBlob
	for _, b := range f.want {
		if Unsized(b) && fits(name, func(n string) bool { return slices.Contains(f.hints[b.SHA256], n) }) {
			b.Size = size
		}
		if b.Size == size && !Unsized(b) {
			list = append(list, b)
		}
	}
	return list
}

// put stores the bytes of r if they are b, and tells whether they are.
func (f *Finder) put(ctx context.Context, b manifest.Blob, r io.Reader) (bool, error) {
	told := &teller{r: r, to: f.Progress}
	if err := f.Store.Put(ctx, b, told); err != nil {
		f.Progress.Add(-told.n)
		if errors.Is(err, manifest.ErrDigest) {
			err = nil
		}
		return false, err
	}
	f.mu.Lock()
	delete(f.want, b.SHA256)
	f.mu.Unlock()
	return true, nil
}

// teller tells of what is read.
type teller struct {
	r  io.Reader
	to fetch.Progress
	n  int64
}

func (t *teller) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	t.to.Add(int64(n))
	return n, err
}

// hints are the names that a wanted blob may have as a file, in lower case: its
// hash, its name in the archive and in apt's cache, the last part of its address.
func hints(b manifest.NeededBlob) []string {
	address, _, _ := strings.Cut(b.URL, "?")
	all := []string{b.SHA256.Hex(), plainName(b.Name), plainName(b.Path), plainName(address)}
	if b.Archive != "" && strings.HasPrefix(b.Path, "dists/") { // as in apt's lists
		all = append(all, strings.ToLower(strings.ReplaceAll(b.Path, "/", "_")))
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" || s == "." || s == "/" })
}

// plainName is the last part of a path, without the epoch of a package, which is
// in the names of apt's cache ("_1%3a2.0") and not in those of a pool.
func plainName(p string) string {
	name := strings.ToLower(path.Base(p))
	if i := strings.Index(name, "%3a"); i > 0 {
		if before := strings.TrimRight(name[:i], "0123456789"); len(before) < i && strings.HasSuffix(before, "_") {
			return before + name[i+3:]
		}
	}
	return name
}

// openRegular opens a file and nothing else: it neither waits for a pipe's other
// end nor touches a device.
func openRegular(name string) (*os.File, int64, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !fi.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no plain file", name)
	}
	r, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	now, err := r.Stat()
	if err == nil && !os.SameFile(fi, now) {
		err = fmt.Errorf("%s changed while it was being opened", name)
	}
	if err != nil {
		r.Close()
		return nil, 0, err
	}
	return r, now.Size(), nil
}
