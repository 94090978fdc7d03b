package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// maxRelease bounds an InRelease file, in bytes; Debian's are 150 kB.
const maxRelease = 16 << 20

// archive is one suite as it was found.
type archive struct {
	pin     manifest.ArchivePin
	pocket  aptmirror.Pocket
	closed  bool
	release *aptmirror.Release
	used    bool // the lock refers to it
}

// pockets reads the release files of all pockets of a suite, side by side:
// each costs a mirror's round trip and little else. A pocket that a closed suite
// may lack is left out if nobody has it.
func (p *Planner) pockets(ctx context.Context, suite aptmirror.Suite, native string) ([]*archive, error) {
	list := suite.PocketsFor(native)
	found := make([]*archive, len(list))
	g, gctx := errgroup.WithContext(ctx)
	for i, pocket := range list {
		g.Go(func() error {
			a, err := p.archive(gctx, pocket, suite.Closed)
			var missing *fetch.MissingError
			if pocket.Optional && errors.As(err, &missing) && missing.NotFound() {
				return nil
			}
			if err != nil {
				return err
			}
			found[i] = a
			return p.checkSigner(suite, a)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(a *archive) bool { return a == nil }), nil
}

// checkSigner wants a key that belongs to the suite.
func (p *Planner) checkSigner(suite aptmirror.Suite, a *archive) error {
	if p.AnySigner || len(suite.KeyFingerprints) == 0 {
		return nil
	}
	for _, f := range a.pin.SignedBy {
		if slices.Contains(suite.KeyFingerprints, f) {
			return nil
		}
	}
	return fmt.Errorf("reading archive %s: it is signed by %s, which are no keys of %s; to trust another archive's keys give them with --archive-keyring",
		a.pin.ID(), strings.Join(a.pin.SignedBy, ", "), suite.Name)
}

// archive reads the release file of a pocket, once.
func (p *Planner) archive(ctx context.Context, pocket aptmirror.Pocket, closed bool) (*archive, error) {
	a := &archive{pocket: pocket, closed: closed}
	a.pin = manifest.ArchivePin{Name: pocket.Archive, Suite: pocket.Suite, Components: pocket.Components}
	p.mu.Lock()
	old, ok := p.suites[a.pin.ID()]
	p.mu.Unlock()
	if ok {
		return old, nil
	}
	if err := p.readRelease(ctx, a); err != nil {
		return nil, fmt.Errorf("reading archive %s: %w", a.pin.ID(), err)
	}
	p.mu.Lock()
	p.suites[a.pin.ID()] = a
	p.mu.Unlock()
	return a, nil
}

// urls are the addresses of a file below dists/SUITE/ of an archive.
func (p *Planner) urls(a *archive, path string) []string {
	return p.under(a, "dists/"+a.pin.Suite+"/"+path)
}

// under are the addresses of a file below an archive's top.
func (p *Planner) under(a *archive, path string) []string {
	var list []string
	for _, m := range p.Mirrors(a.pocket, a.closed) {
		list = append(list, strings.TrimSuffix(m, "/")+"/"+path)
	}
	return list
}

// readRelease fetches and checks InRelease, or Release and Release.gpg where
// an old suite has no InRelease.
func (p *Planner) readRelease(ctx context.Context, a *archive) error {
	signed, _, err := p.Fetch.Get(ctx, p.urls(a, "InRelease"), maxRelease, fetch.Conditional{})
	var signers []aptmirror.Signer
	switch {
	case err == nil:
		a.release, signers, err = p.Keyring.VerifyInRelease(signed, p.Now)
		if err == nil {
			err = p.keep(ctx, a, "InRelease", signed)
		}
	case a.closed:
		signers, err = p.readDetached(ctx, a, err)
	}
	if err != nil {
		return err
	}
	if err := a.checkSuite(); err != nil {
		return err
	}
	if err := a.release.Fresh(p.Now); err != nil && !a.closed && !p.IgnoreExpiry {
		return err
	}
	a.pin.Date = a.release.Date.UTC().Format(time.RFC3339)
	return p.keepKeys(ctx, a, signers)
}

// readDetached is for suites from before InRelease; why is what InRelease gave.
func (p *Planner) readDetached(ctx context.Context, a *archive, why error) ([]aptmirror.Signer, error) {
	text, _, err := p.Fetch.Get(ctx, p.urls(a, "Release"), maxRelease, fetch.Conditional{})
	if err != nil {
		return nil, errors.Join(why, err)
	}
	sig, _, err := p.Fetch.Get(ctx, p.urls(a, "Release.gpg"), maxRelease, fetch.Conditional{})
	if err != nil {
		return nil, errors.Join(why, err)
	}
	release, signers, err := p.Keyring.VerifyRelease(text, sig, p.Now)
	if err != nil {
		return nil, err
	}
	a.release = release
	return signers, errors.Join(p.keep(ctx, a, "Release", text), p.keep(ctx, a, "Release.gpg", sig))
}

// keep stores a small file of the archive and pins it.
func (p *Planner) keep(ctx context.Context, a *archive, path string, data []byte) error {
	b, err := p.Store.Add(ctx, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	a.pin.Release = append(a.pin.Release, manifest.ArchiveFile{Path: path, Blob: b})
	return nil
}

// keepKeys stores the public keys that signed, as the keyring held them.
func (p *Planner) keepKeys(ctx context.Context, a *archive, signers []aptmirror.Signer) error {
	for _, s := range signers {
		a.pin.SignedBy = append(a.pin.SignedBy, s.Fingerprint)
	}
	keys, err := p.Keyring.Subset(a.pin.SignedBy)
	if err != nil {
		return err
	}
	a.pin.Keyring, err = p.Store.Add(ctx, bytes.NewReader(keys), int64(len(keys)))
	return err
}

// checkSuite refuses a release file of another suite that a mirror, or
// somebody on the way, puts in the place of the right one.
func (a *archive) checkSuite() error {
	r := a.release
	bare := strings.TrimSuffix(a.pin.Suite, "/updates") // Debian's security suites up to buster
	for _, name := range []string{r.Suite, r.Codename, r.Codename + "-security"} {
		if name != "" && (name == a.pin.Suite || name == bare) {
			return nil
		}
	}
	return fmt.Errorf("its release file is that of suite %q, codename %q", r.Suite, r.Codename)
}

// load reads the Packages indexes of some architectures, the native one first,
// in the order in which apt reads them: apt breaks ties by it. It fetches them
// first.
func (p *Planner) load(ctx context.Context, a *archive, arches []string, number int) ([]aptmirror.Package, error) {
	var files []manifest.ArchiveFile
	if a.release.NeedsAll() {
		arches = append(slices.Clone(arches), "all")
	}
	for _, c := range a.pin.Components {
		for _, one := range arches {
			path, blob, ok := a.release.Index(c, one)
			if !ok {
				return nil, fmt.Errorf("reading archive %s: it has no packages of %s for %s", a.pin.ID(), c, one)
			}
			files = append(files, manifest.ArchiveFile{Path: path, Blob: blob})
		}
	}
	if err := p.fetchIndexes(ctx, a, files); err != nil {
		return nil, err
	}
	var all []aptmirror.Package
	for _, f := range files {
		list, err := p.readIndex(f, a, number)
		if err != nil {
			return nil, fmt.Errorf("reading archive %s: %w", a.pin.ID(), err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// fetchIndexes puts index files into the store and pins them.
func (p *Planner) fetchIndexes(ctx context.Context, a *archive, files []manifest.ArchiveFile) error {
	var jobs []fetch.Job
	for _, f := range files {
		jobs = append(jobs, fetch.Job{Name: a.pin.ID() + " " + f.Path, URLs: p.indexURLs(a, f), Blob: f.Blob})
	}
	if err := p.Fetch.Fetch(ctx, p.Store, jobs, p.Progress("indexes")); err != nil {
		return fmt.Errorf("fetching the indexes of %s: %w", a.pin.ID(), err)
	}
	for _, f := range files {
		if !slices.Contains(a.pin.Indexes, f) {
			a.pin.Indexes = append(a.pin.Indexes, f)
		}
	}
	return nil
}

// indexURLs prefers by-hash, which a mirror that is being updated still has.
func (p *Planner) indexURLs(a *archive, f manifest.ArchiveFile) []string {
	plain := p.urls(a, f.Path)
	if !a.release.AcquireByHash {
		return plain
	}
	return append(p.urls(a, a.release.ByHash(f.Path)), plain...)
}

func (p *Planner) readIndex(f manifest.ArchiveFile, a *archive, number int) ([]aptmirror.Package, error) {
	raw, err := p.Store.Open(f.Blob)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	text, err := aptmirror.Decompress(f.Path, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	defer text.Close()
	var plain io.Reader = text
	if b, ok := a.release.Plain(f.Path); ok {
		plain = b.Verify(text) // bounds what a decoder gives, too
	}
	return aptmirror.ReadPackages(a.pin.ID()+" "+f.Path, plain, number)
}
