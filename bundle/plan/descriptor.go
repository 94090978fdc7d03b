package plan

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/bundle/source"
	"satchel/manifest"
)

// descriptor pins what a descriptor takes besides packages.
func (p *Planner) descriptor(ctx context.Context, r Request) (manifest.DescriptorPin, error) {
	d := r.Descriptor
	pin := manifest.DescriptorPin{
		Name: d.Name, File: filepath.Base(d.File), Reference: d.Reference,
		Sources: []manifest.SourcePin{}, Files: []manifest.FilePin{},
	}
	nobody := &UnfoundError{}
	if a := r.Assert; a != nil && a.In.Descriptor.SHA256 != manifest.Sum(d.Raw) {
		return pin, &MismatchError{What: fmt.Sprintf("its descriptor has sha256 %s, %s has %s", a.In.Descriptor.SHA256.Hex(), d.File, manifest.Sum(d.Raw).Hex())}
	}
	var err error
	if pin.Blob, err = p.keep(ctx, d.Raw); err != nil {
		return pin, err
	}
	for _, remote := range d.Remotes {
		s, err := p.source(ctx, r, remote)
		if err != nil {
			return pin, fmt.Errorf("remote %s: %w", remote.Dir, err)
		}
		pin.Sources = append(pin.Sources, s)
		if d.Reference == "" {
			pin.Reference = s.Date // the last remote's wins, as in gbuild
		}
	}
	for _, name := range d.Files {
		f, err := p.assertedFile(ctx, r, name)
		if nobody.takes(err) {
			continue
		}
		if err != nil {
			return pin, fmt.Errorf("file %s: %w", name, err)
		}
		pin.Files = append(pin.Files, f)
	}
	if len(nobody.Blobs) > 0 {
		return pin, nobody
	}
	return pin, nil
}

// source pins one git remote. The command line's URL wins over the
// descriptor's; its commit does not, as in gbuild.
func (p *Planner) source(ctx context.Context, r Request, remote manifest.Remote) (manifest.SourcePin, error) {
	want := source.Remote{Dir: remote.Dir, URL: remote.URL, Ref: remote.Commit}
	if set, ok := r.Settings.Remotes[remote.Dir]; ok {
		if set.URL != "" {
			want.URL, want.Local = set.URL, true
		}
		if want.Ref == "" {
			want.Ref = set.Commit
		}
	}
	if u := r.URLs[remote.Dir]; u != "" {
		want.URL, want.Local = u, true
	}
	if want.Ref == "" {
		want.Ref = r.Commits[remote.Dir]
	}
	if r.Assert != nil {
		return p.assertedSource(ctx, r, want)
	}
	if want.Ref == "" {
		return manifest.SourcePin{}, fmt.Errorf("%s:%d: it has no commit: give one with -c %s=COMMIT", r.Descriptor.File, remote.Line, remote.Dir)
	}
	p.Story(fmt.Sprintf("Fetching %s at %s", remote.Dir, want.Ref))
	return source.Lock(ctx, want, p.Git, p.Store)
}

// errNoFile says what may be done about a file that is nowhere.
var errNoFile = errors.New("it is nowhere: put it into a folder and give that with --inputs, or name it in satchel.yaml beside the descriptor")

// file finds one of a descriptor's files: in the inputs folder, else where
// satchel.yaml says.
func (p *Planner) file(ctx context.Context, r Request, name string) (manifest.FilePin, error) {
	pin := manifest.FilePin{Name: name}
	set, known := r.Settings.Files[name]
	if r.Inputs != "" {
		found, err := source.Locate(ctx, name, r.Inputs, p.Store)
		switch {
		case err == nil && known && set.SHA256 != nil && found.SHA256 != *set.SHA256:
			return pin, fmt.Errorf("in %s it has sha256 %s, but satchel.yaml wants %s", r.Inputs, found.SHA256.Hex(), set.SHA256.Hex())
		case err == nil:
			found.URL, found.Private = set.URL, set.Private
			return found, nil
		case !errors.Is(err, source.ErrNoFile):
			return pin, err
		}
	}
	switch {
	case !known || set.URL == "" && set.SourcePackage == "":
		return pin, errNoFile
	case set.SourcePackage != "":
		return p.sourceFile(ctx, r, name, set)
	}
	pin.URL, pin.Private = set.URL, set.Private
	var err error
	pin.Blob, err = p.byHash(ctx, name, set)
	return pin, err
}

// sourceFile takes a file of a source package, as an archive's signed Sources
// index pins it.
func (p *Planner) sourceFile(ctx context.Context, r Request, name string, set manifest.FileSource) (manifest.FilePin, error) {
	var tried []error
	for _, s := range r.Descriptor.Suites {
		suite, ok := aptmirror.Lookup(r.Descriptor.Distro, s)
		if !ok {
			continue
		}
		for _, pocket := range suite.PocketsFor("amd64") {
			pin, err := p.sourceFileIn(ctx, pocket, suite, name, set)
			if err == nil {
				return pin, nil
			}
			tried = append(tried, err)
		}
	}
	return manifest.FilePin{}, errors.Join(tried...)
}

func (p *Planner) sourceFileIn(ctx context.Context, pocket aptmirror.Pocket, suite aptmirror.Suite, name string, set manifest.FileSource) (manifest.FilePin, error) {
	a, err := p.archive(ctx, pocket, suite, p.Keyring)
	if err != nil {
		return manifest.FilePin{}, err
	}
	var tried []error
	for _, c := range a.pin.Components {
		if err := p.strengthen(ctx, a, c, "source"); err != nil {
			return manifest.FilePin{}, err
		}
		path, blob, ok := a.release.SourceIndex(c)
		if !ok {
			continue
		}
		s, err := p.findSource(ctx, a, manifest.ArchiveFile{Path: path, Blob: blob}, name, set)
		if errors.As(err, new(*aptmirror.NoSourceError)) {
			tried = append(tried, err)
			continue
		}
		if err != nil {
			return manifest.FilePin{}, err
		}
		file, _ := s.File(name)
		pin := manifest.FilePin{Name: name, Blob: file.Blob, SourcePackage: s.Name, Archive: a.pin.ID(), Path: file.Path}
		a.used = true
		return pin, p.Fetch.Fetch(ctx, p.Store, []fetch.Job{{Name: name, URLs: p.under(a, pin.Path), Blob: pin.Blob}}, p.Progress("files"))
	}
	if len(tried) == 0 {
		return manifest.FilePin{}, fmt.Errorf("archive %s has no index of sources", a.pin.ID())
	}
	return manifest.FilePin{}, errors.Join(tried...)
}

// findSource looks into a Sources index, and keeps it pinned only if it has a
// source package with the file. What an index said once is not read again.
func (p *Planner) findSource(ctx context.Context, a *archive, f manifest.ArchiveFile, name string, set manifest.FileSource) (aptmirror.Source, error) {
	before := slices.Clone(a.pin.Indexes)
	files := []manifest.ArchiveFile{f}
	if err := p.fetchIndexes(ctx, a, files); err != nil {
		return aptmirror.Source{}, err
	}
	x := index{archive: a, ArchiveFile: files[0]}
	key := sourceKey(x, set.SourcePackage, set.Version, name)
	s, known, err := p.Pools.knownSource(key)
	if !known {
		if s, err = p.readSource(x, name, set); err == nil || errors.As(err, new(*aptmirror.NoSourceError)) {
			if e := p.Pools.keepSource(key, s, err); e != nil {
				p.Story(e.Error()) // it is slower without, and no worse
			}
		}
	}
	if err != nil {
		a.pin.Indexes = before
	}
	return s, err
}

func (p *Planner) readSource(x index, name string, set manifest.FileSource) (aptmirror.Source, error) {
	text, err := p.open(x)
	if err != nil {
		return aptmirror.Source{}, err
	}
	defer text.Close()
	return aptmirror.FindSource(x.name(), text, set.SourcePackage, set.Version, name)
}
