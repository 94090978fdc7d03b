package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"satchel/bundle/source/pack"
	"satchel/manifest"
)

// Store is where packs and files go. Add reads r to its end and keeps its
// bytes, at most limit of them; when r fails or is longer, it keeps nothing
// and says why.
type Store interface {
	Add(ctx context.Context, r io.Reader, limit int64) (manifest.Blob, error)
}

// Remote is one entry of a descriptor's remotes, with its ref chosen.
type Remote struct {
	Dir string
	URL string
	Ref string // tag, branch or commit
	// Local says that the user named URL on this machine: it may be a path or
	// file://, and so may be submodules that are relative to it.
	Local bool
}

// Options are the same for all remotes.
type Options struct {
	Work string   // directory for repositories, kept from run to run
	Git  string   // path of the git program
	Env  []string // for git: PATH, proxies, SSH_AUTH_SOCK …; "NAME=value"
	// Progress, if not nil, is told what happens now, in a few words.
	Progress func(text string)
}

func (o Options) say(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// maxPack is the largest pack that is made.
const maxPack = 64 << 30

// Lock fetches what r names, and all submodules of that commit, and stores a
// pack for each. The pin's packs depend on nothing but the commits and tags.
//
// Its Tag is the tag object if Ref is an annotated tag, and equals Commit if
// Ref is a lightweight one: in both cases refs/tags/Ref is to be set to Tag.
// Ref is as asked for, less a leading "refs/tags/" or "tags/" of a tag.
// Submodules come in order of path, each before those within it; those that
// .gitmodules says never to update are left out, as git does.
//
// Errors wrap ErrRefused, ErrNotFound, ErrIncomplete or ErrSHA256 where they
// are of that sort.
func Lock(ctx context.Context, r Remote, opts Options, out Store) (manifest.SourcePin, error) {
	pin := manifest.SourcePin{Dir: r.Dir, URL: r.URL, Ref: r.Ref}
	fail := func(err error) (manifest.SourcePin, error) {
		return manifest.SourcePin{}, fmt.Errorf("locking source %s: %w", r.Dir, err)
	}
	if err := checkDir(r.Dir); err != nil {
		return fail(err)
	}
	if err := checkRef(r.Ref); err != nil {
		return fail(err)
	}
	l := &locker{opts: opts, out: out}
	one, err := l.fetch(ctx, r.URL, r.Local, func(g *repository, url string) (resolved, error) { return g.resolve(ctx, url, r.Ref) })
	if err != nil {
		return fail(err)
	}
	pin.Commit, pin.Date, pin.Pack = one.commit.String(), one.date, one.pack
	if one.tag != nil {
		pin.Tag = one.tag.String()
		pin.Ref = strings.TrimPrefix(strings.TrimPrefix(pin.Ref, "refs/"), "tags/")
	}
	if pin.Date == "" {
		return fail(fmt.Errorf("commit %s has no author date", pin.Commit))
	}
	if pin.Submodules, err = l.submodules(ctx, one, "", 0); err != nil {
		return fail(err)
	}
	return pin, nil
}

// checkDir holds a remote's dir to gitian's grammar, which is that of one
// plain file name.
func checkDir(dir string) error {
	for i := 0; i < len(dir); i++ {
		c := dir[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-", c) >= 0) {
			return fmt.Errorf("dir %.100q: %w", dir, ErrRefused)
		}
	}
	if strings.Trim(dir, ".") == "" || strings.EqualFold(dir, ".git") || dir[0] == '-' || len(dir) > 200 {
		return fmt.Errorf("dir %.100q: %w", dir, ErrRefused)
	}
	return nil
}

// locker makes the packs of one remote and its submodules.
type locker struct {
	opts  Options
	out   Store
	count int // submodules so far
}

// fetched is one repository's part of a lock.
type fetched struct {
	resolved
	date  string
	pack  manifest.Blob
	url   string // absolute
	local bool
	links []submodule
}

// fetch gets one commit from one URL, packs it, and reads what it says of
// submodules.
func (l *locker) fetch(ctx context.Context, url string, local bool, resolve func(g *repository, url string) (resolved, error)) (fetched, error) {
	f := fetched{local: local}
	if err := checkURL(url, local); err != nil {
		return f, err
	}
	var err error
	if f.url, err = absolute(url); err != nil {
		return f, err
	}
	g, err := openRepository(ctx, f.url, local, l.opts)
	if err != nil {
		return f, err
	}
	defer g.close()
	l.opts.say("fetching %s", redact(url))
	if f.resolved, err = resolve(g, f.url); err != nil {
		return f, err
	}
	l.opts.say("packing %s", redact(url))
	b, err := g.batch(ctx, "--batch")
	if err != nil {
		return f, err
	}
	err = l.read(ctx, g, b, &f)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return f, errors.Join(err, b.close())
}

func (l *locker) read(ctx context.Context, g *repository, b *batch, f *fetched) error {
	raw, err := b.object(f.commit, pack.Commit)
	if err != nil {
		return err
	}
	c, err := pack.ParseCommit(raw)
	if err != nil {
		return fmt.Errorf("commit %s: %w", f.commit, err)
	}
	f.date = c.Date
	if f.links, err = g.readSubmodules(ctx, b, c.Tree); err != nil {
		return err
	}
	sizes, err := g.batch(ctx, "--batch-check")
	if err != nil {
		return err
	}
	list, err := pack.Walk(b, sizes, f.roots())
	if err = errors.Join(err, sizes.close()); err != nil {
		return err
	}
	f.pack, err = storePack(ctx, b, list, l.out)
	return err
}

// storePack makes the pack of what list holds and stores it.
func storePack(ctx context.Context, from pack.Objects, list *pack.List, out Store) (manifest.Blob, error) {
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := list.Write(ctx, from, pw)
		pw.CloseWithError(err)
		done <- err
	}()
	blob, err := out.Add(ctx, pr, maxPack)
	if err != nil {
		pr.CloseWithError(err)
		<-done // the objects are free again only now
		return blob, fmt.Errorf("storing pack: %w", err)
	}
	return blob, <-done
}

// roots are the objects from which the pack's content is reached.
func (r resolved) roots() []pack.ID {
	if r.tag != nil && *r.tag != r.commit {
		return []pack.ID{*r.tag, r.commit}
	}
	return []pack.ID{r.commit}
}
