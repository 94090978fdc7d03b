package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// index is a Packages index of an archive.
type index struct {
	*archive
	manifest.ArchiveFile
	number int // Package.Archive of what it has
}

func (x index) name() string { return x.pin.ID() + " " + x.Path }

// packages lists the Packages indexes of some architectures, the native one
// first, in the order in which apt reads them: apt breaks ties by it. They are
// fetched first.
func (p *Planner) packages(ctx context.Context, a part, wanted []string) ([]manifest.ArchiveFile, error) {
	arches := a.narrow(wanted)
	if len(arches) == 0 {
		return nil, fmt.Errorf("reading archive %s: it has no packages for %s", a.pin.ID(), strings.Join(wanted, ", "))
	}
	if a.release.NeedsAll() {
		arches = append(arches, "all")
	}
	var files []manifest.ArchiveFile
	for _, c := range a.components {
		for _, one := range arches {
			if err := p.strengthen(ctx, a.archive, c, one); err != nil {
				return nil, err
			}
			path, blob, ok := a.release.Index(c, one)
			if !ok {
				return nil, fmt.Errorf("reading archive %s: it has no packages of %s for %s", a.pin.ID(), c, one)
			}
			files = append(files, manifest.ArchiveFile{Path: path, Blob: blob})
		}
	}
	return files, p.fetchIndexes(ctx, a.archive, files)
}

// fetchIndexes puts index files into the store and pins them. A form that
// nobody has any more is replaced, in files too, by the next best one that the
// release file lists.
func (p *Planner) fetchIndexes(ctx context.Context, a *archive, files []manifest.ArchiveFile) error {
	err := p.settled(ctx, a, func() error { return p.fetchForms(ctx, a, files) })
	if err != nil {
		return fmt.Errorf("fetching the indexes of %s: %w", a.pin.ID(), err)
	}
	for _, f := range files {
		if !slices.Contains(a.pin.Indexes, f) {
			a.pin.Indexes = append(a.pin.Indexes, f)
		}
	}
	return nil
}

// fetchForms fetches files, or else other forms of them. If nobody has any, the
// error is about the best.
func (p *Planner) fetchForms(ctx context.Context, a *archive, files []manifest.ArchiveFile) error {
	var first error
	for forms := slices.Clone(files); ; {
		var jobs []fetch.Job
		for _, f := range forms {
			jobs = append(jobs, fetch.Job{Name: index{archive: a, ArchiveFile: f}.name(), URLs: p.indexURLs(a, f), Blob: f.Blob})
		}
		err := p.Fetch.Fetch(ctx, p.Store, jobs, p.Progress("indexes"))
		if err == nil {
			copy(files, forms)
			return nil
		}
		if first == nil {
			first = err
		}
		if !a.otherForms(forms, err) {
			return first
		}
	}
}

// otherForms puts another form of each index in its place that err says nobody
// has. It tells whether there is one for all of them.
func (a *archive) otherForms(files []manifest.ArchiveFile, err error) bool {
	var missing *fetch.MissingError
	if !errors.As(err, &missing) || !missing.NotFound() {
		return false
	}
	for _, failure := range missing.Jobs {
		i := slices.IndexFunc(files, func(f manifest.ArchiveFile) bool { return f.Blob == failure.Job.Blob })
		if i < 0 {
			return false
		}
		path, blob, ok := a.release.NextForm(files[i].Path)
		if !ok {
			return false
		}
		files[i] = manifest.ArchiveFile{Path: path, Blob: blob}
	}
	return len(missing.Jobs) > 0
}

// indexURLs prefers by-hash, which a mirror that is being updated still has.
func (p *Planner) indexURLs(a *archive, f manifest.ArchiveFile) []string {
	plain := p.urls(a, f.Path)
	if !a.release.AcquireByHash {
		return plain
	}
	return append(p.urls(a, a.release.ByHash(f.Path)), plain...)
}

// open returns the text of an index out of the store. io.EOF is the promise that
// every byte of it, and of its file, was right.
func (p *Planner) open(x index) (io.ReadCloser, error) {
	raw, err := p.Store.Open(x.Blob)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", x.name(), err)
	}
	text, err := aptmirror.Decompress(x.Path, raw)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("reading %s: %w", x.name(), err)
	}
	t := &indexText{Reader: text, closers: []io.Closer{text, raw}}
	if b, ok := x.release.Plain(x.Path); ok {
		t.Reader = b.Verify(text) // bounds what a decoder gives, too
	}
	return t, nil
}

// indexText is an index with what it is read through.
type indexText struct {
	io.Reader
	closers []io.Closer
}

func (t *indexText) Close() error {
	var all []error
	for _, c := range t.closers {
		all = append(all, c.Close())
	}
	return errors.Join(all...)
}
