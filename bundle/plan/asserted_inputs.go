package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"satchel/bundle/source"
	"satchel/manifest"
)

// assertedSource pins a remote at the commit that the assert names. What the
// descriptor or the command line asks for is kept if it leads there: a tag is
// seen by the build.
func (p *Planner) assertedSource(ctx context.Context, r Request, want source.Remote) (manifest.SourcePin, error) {
	i := slices.IndexFunc(r.Assert.In.Git, func(g manifest.GitCommit) bool { return g.Dir == want.Dir })
	if i < 0 {
		return manifest.SourcePin{}, &MismatchError{What: fmt.Sprintf("it names no commit of %s", want.Dir)}
	}
	commit := r.Assert.In.Git[i].Commit
	if want.Ref != "" {
		p.Story(fmt.Sprintf("Fetching %s at %s", want.Dir, want.Ref))
		pin, err := source.Lock(ctx, want, p.Git, p.Store)
		if err == nil && pin.Commit == commit || ctx.Err() != nil {
			return pin, err
		}
		if err == nil {
			p.Story(fmt.Sprintf("%s: %s is commit %s now; the assert's commit is taken", want.Dir, want.Ref, pin.Commit))
		}
	}
	want.Ref = commit
	p.Story(fmt.Sprintf("Fetching %s at %s", want.Dir, want.Ref))
	return source.Lock(ctx, want, p.Git, p.Store)
}

// assertedFile is file, for the very file that the assert names, if there is one.
func (p *Planner) assertedFile(ctx context.Context, r Request, name string) (manifest.FilePin, error) {
	if r.Assert == nil {
		return p.file(ctx, r, name)
	}
	i := slices.IndexFunc(r.Assert.In.Files, func(f manifest.FileSum) bool { return f.Path == name })
	if i < 0 {
		return manifest.FilePin{}, &MismatchError{What: fmt.Sprintf("it names no file %s", name)}
	}
	want := r.Assert.In.Files[i].SHA256
	set := r.Settings.Files[name]
	if b, ok := p.Store.Find(want); ok && set.SourcePackage == "" {
		return manifest.FilePin{Name: name, Blob: b, URL: set.URL, Private: set.Private}, nil
	}
	if set.SHA256 == nil && set.URL != "" {
		set.SHA256 = &want
		files := map[string]manifest.FileSource{name: set}
		settings := *r.Settings
		settings.Files = files
		r.Settings = &settings
	}
	pin, err := p.file(ctx, r, name)
	if errors.Is(err, errNoFile) {
		return pin, &UnfoundError{Blobs: []manifest.NeededBlob{{Name: name, Blob: manifest.Blob{SHA256: want}}}, Of: 1}
	}
	if err == nil && pin.SHA256 != want {
		err = &MismatchError{What: fmt.Sprintf("its %s has sha256 %s, what is here %s", name, want.Hex(), pin.SHA256.Hex())}
	}
	return pin, err
}
