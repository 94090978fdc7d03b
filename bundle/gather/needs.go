package gather

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// Needs says what of a lock nobody had: for people, and for another machine that
// can reach more.
func Needs(lock *manifest.Lock, missing *fetch.MissingError) (*manifest.Needs, error) {
	text, err := lock.Marshal()
	if err != nil {
		return nil, err
	}
	sum := manifest.Sum(text)
	n := &manifest.Needs{Version: manifest.NeedsVersion, Lock: &sum}
	whence := origins(lock)
	used := map[string]bool{}
	seen := map[manifest.Digest]bool{}
	for _, f := range missing.Jobs {
		b := whence[f.Job.Blob.SHA256] // the zero value knows nothing but
		b.Name, b.Blob, b.Tried = line(f.Job.Name), f.Job.Blob, tried(f)
		used[b.Archive] = true
		if !seen[b.SHA256] {
			n.Blobs = append(n.Blobs, b)
		}
		seen[b.SHA256] = true
	}
	for _, a := range lock.Archives {
		if used[a.ID()] {
			n.Archives = append(n.Archives, manifest.NeededArchive{Name: a.Name, Suite: a.Suite, URI: a.URI, Date: a.Date, Snapshot: a.Snapshot})
		}
	}
	return n, nil
}

// origins tells of each blob of a lock what NeededBlob can say of where it is.
func origins(lock *manifest.Lock) map[manifest.Digest]manifest.NeededBlob {
	from := map[manifest.Digest]manifest.NeededBlob{}
	for _, a := range lock.Archives {
		for _, f := range append(a.Release[:len(a.Release):len(a.Release)], a.Indexes...) {
			from[f.SHA256] = manifest.NeededBlob{Archive: a.ID(), Path: "dists/" + a.Suite + "/" + f.Path}
		}
	}
	for _, t := range lock.Targets {
		for _, p := range t.Packages {
			from[p.SHA256] = manifest.NeededBlob{Archive: p.Archive, Path: p.Path}
		}
	}
	for _, d := range lock.Descriptors {
		for _, f := range d.Files {
			from[f.SHA256] = manifest.NeededBlob{URL: f.URL, Archive: f.Archive, Path: f.Path}
		}
	}
	return from
}

// line makes one printable line of what a server may have had a hand in.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if s = strings.TrimSpace(s); s == "" {
		return "?"
	}
	if len(s) > 1000 {
		s = strings.ToValidUTF8(s[:1000], "") + "…"
	}
	return s
}

// Needed puts what needs ask for into the store, and tells in them how long each
// blob is. lock may be nil; it knows of
// sources and images how they are got, and more addresses. What nobody has is in
// the *fetch.MissingError.
func (g *Gatherer) Needed(ctx context.Context, needs *manifest.Needs, lock *manifest.Lock) error {
	if lock == nil {
		lock = &manifest.Lock{}
	}
	known, err := g.addresses(lock)
	if err != nil {
		return err
	}
	tops := map[string]places{}
	for _, a := range needs.Archives {
		if tops[a.ID()], err = g.places(a.Name, a.Suite, a.URI, a.Date, a.Snapshot); err != nil {
			return err
		}
	}
	var jobs []fetch.Job
	for i, b := range needs.Blobs {
		where := append(known[b.SHA256], urls(b, tops)...)
		if Unsized(b) {
			if name, version, arch := manifest.SplitDebName(b.Name); b.Archive != "" && arch != "" {
				archive, _, _ := strings.Cut(b.Archive, "/")
				where = append(where, g.Mirrors.Files(archive, name, version, arch)...)
			}
			if b.Blob, err = g.sized(ctx, b.Blob, where); err != nil {
				return err
			}
			needs.Blobs[i].Blob = b.Blob
		}
		jobs = append(jobs, fetch.Job{Name: b.Name, Blob: b.Blob, URLs: where})
	}
	if err := g.fetch(ctx, lock, jobs); err != nil {
		return fmt.Errorf("fetching what is needed: %w", err)
	}
	return nil
}

// sized asks how long a blob is of which only the hash is known; if nobody knows
// it, it stays as it is, and is missing.
func (g *Gatherer) sized(ctx context.Context, b manifest.Blob, urls []string) (manifest.Blob, error) {
	if found, ok := g.Store.Find(b.SHA256); ok {
		return found, nil
	}
	size, err := g.Fetch.Size(ctx, urls, manifest.MaxBlob)
	if err == nil {
		b.Size = size
	}
	return b, ctx.Err()
}

// Tried is what every place answered that was asked for a blob.
func Tried(missing *fetch.MissingError, b manifest.Blob) []manifest.Tried {
	for _, f := range missing.Jobs {
		if f.Job.Blob == b {
			return tried(f)
		}
	}
	return nil
}

func tried(f fetch.Failure) []manifest.Tried {
	var all []manifest.Tried
	for _, a := range f.Tried {
		all = append(all, manifest.Tried{URL: line(a.URL), Answer: line(a.Err.Error())})
	}
	return all
}
