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

// Needed puts what needs ask for into the store. lock may be nil; it knows of
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
	for _, b := range needs.Blobs {
		jobs = append(jobs, fetch.Job{Name: b.Name, Blob: b.Blob, URLs: append(known[b.SHA256], urls(b, tops)...)})
	}
	if err := g.fetch(ctx, lock, jobs); err != nil {
		return fmt.Errorf("fetching what is needed: %w", err)
	}
	return nil
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
