package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"satchel/bundle/source/pack"
)

// Where fetched refs are kept, so that later fetches are short.
const (
	keptRef = "refs/satchel/ref/" // one asked-for ref, by a hash of its full name
	keptAll = "refs/satchel/all/" // all branches and tags
	keptID  = "refs/satchel/id/"  // commits fetched by their name
)

// resolved is what a ref names.
type resolved struct {
	commit pack.ID
	tag    *pack.ID // the tag object; the commit itself for a lightweight tag; nil if no tag
}

// resolve fetches what ref names from url: a tag before a branch, as git has
// it, or a commit.
func (g *repository) resolve(ctx context.Context, url, ref string) (resolved, error) {
	if id, err := pack.ParseID(ref); err == nil {
		if err := g.fetchCommit(ctx, url, id); err != nil {
			return resolved{}, err
		}
		id, err = g.parse(ctx, ref+"^{commit}") // it may have been a tag object's name
		return resolved{commit: id}, err
	} else if errors.Is(err, ErrSHA256) {
		return resolved{}, err
	}
	full, err := g.remoteRef(ctx, url, ref)
	if err != nil {
		return resolved{}, err
	}
	if full == "" {
		if !couldBeCommit(ref) {
			return resolved{}, fmt.Errorf("looking for %q in %s: no tag and no branch has this name: %w", ref, redact(url), ErrNotFound)
		}
		id, err := g.abbreviated(ctx, url, ref)
		return resolved{commit: id}, err
	}
	sum := sha256.Sum256([]byte(full)) // the names themselves may get in each other's way: a, a/b
	kept := keptRef + hex.EncodeToString(sum[:10])
	if err := g.fetch(ctx, url, "+"+full+":"+kept); err != nil {
		return resolved{}, err
	}
	return g.peel(ctx, kept, strings.HasPrefix(full, "refs/tags/"))
}

// remoteRef asks the remote which full name ref has there; "" if none.
func (g *repository) remoteRef(ctx context.Context, url, ref string) (string, error) {
	names := candidates(ref)
	out, err := g.run(ctx, append([]string{"ls-remote", "--quiet", "--", url}, names...)...)
	if err != nil {
		return "", fmt.Errorf("asking %s for %q: %w", redact(url), ref, explain(err))
	}
	there := map[string]bool{}
	for line := range strings.SplitSeq(string(out), "\n") {
		id, name, ok := strings.Cut(line, "\t")
		if !ok {
			continue
		}
		if _, err := pack.ParseID(id); err != nil {
			return "", fmt.Errorf("asking %s for %q: %w", redact(url), ref, err)
		}
		there[name] = true
	}
	for _, name := range names {
		if there[name] {
			return name, nil
		}
	}
	return "", nil
}

// peel reads a ref of ours: its commit, and the tag object before it.
func (g *repository) peel(ctx context.Context, name string, isTag bool) (resolved, error) {
	id, err := g.parse(ctx, name)
	if err != nil {
		return resolved{}, err
	}
	commit, err := g.parse(ctx, name+"^{commit}")
	if err != nil {
		return resolved{}, fmt.Errorf("%w: it does not name a commit", err)
	}
	if !isTag {
		return resolved{commit: commit}, nil
	}
	return resolved{commit: commit, tag: &id}, nil
}

func (g *repository) parse(ctx context.Context, rev string) (pack.ID, error) {
	out, err := g.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev)
	if err != nil {
		return pack.ID{}, fmt.Errorf("resolving %s: %w", rev, err)
	}
	return pack.ParseID(strings.TrimSpace(string(out)))
}

// fetchCommit makes sure that a commit is here: from an earlier run, by its
// name, or, if the remote does not serve names, by all branches and tags.
func (g *repository) fetchCommit(ctx context.Context, url string, id pack.ID) error {
	if g.hasCommit(ctx, id) {
		return nil
	}
	byName := g.fetch(ctx, url, "+"+id.String()+":"+keptID+id.String())
	if byName == nil && g.hasCommit(ctx, id) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(byName, ErrIncomplete) || errors.Is(byName, ErrSHA256) {
		return byName
	}
	if err := g.fetchAll(ctx, url); err != nil {
		return err
	}
	if !g.hasCommit(ctx, id) {
		return errors.Join(fmt.Errorf("looking for commit %s in %s: it is in no branch or tag, and cannot be had by name: %w",
			id, redact(url), ErrNotFound), byName)
	}
	return nil
}

// hasCommit tells whether a commit is here, with all that it reaches. An
// object alone proves nothing: an interrupted fetch may have left it. But git
// sets a ref only after it has checked that all is there.
func (g *repository) hasCommit(ctx context.Context, id pack.ID) bool {
	if _, err := g.run(ctx, "cat-file", "-e", id.String()+"^{commit}"); err != nil {
		return false
	}
	out, err := g.run(ctx, "for-each-ref", "--count=1", "--contains="+id.String(), "refs/satchel/")
	return err == nil && len(out) > 0
}

func (g *repository) fetchAll(ctx context.Context, url string) error {
	return g.fetch(ctx, url, "+refs/heads/*:"+keptAll+"heads/*", "+refs/tags/*:"+keptAll+"tags/*")
}

// abbreviated finds the commit that a short name means. Remotes do not resolve
// these, so all branches and tags are needed.
func (g *repository) abbreviated(ctx context.Context, url, short string) (pack.ID, error) {
	if err := g.fetchAll(ctx, url); err != nil {
		return pack.ID{}, err
	}
	id, err := g.parse(ctx, short+"^{commit}")
	if err != nil {
		return pack.ID{}, fmt.Errorf("looking for %q in %s: no tag, no branch, and not the beginning of exactly one commit: %w",
			short, redact(url), ErrNotFound)
	}
	return id, nil
}

func (g *repository) fetch(ctx context.Context, url string, refspecs ...string) error {
	prune := "--no-prune"
	if len(refspecs) > 1 { // all of them
		prune = "--prune"
	}
	args := []string{"fetch", "--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance",
		"--no-write-fetch-head", "--update-head-ok", prune, "--", url}
	_, said, err := g.output(ctx, append(args, refspecs...)...)
	if err != nil {
		return fmt.Errorf("fetching from %s: %w", redact(url), explain(err))
	}
	// A shallow remote is no failure for git: it leaves the ref as it was.
	_, err = os.Stat(filepath.Join(g.dir, "shallow"))
	if err == nil || strings.Contains(said, "shallow roots are not allowed") {
		return fmt.Errorf("fetching from %s: %w", redact(url), ErrIncomplete)
	}
	return nil
}

// explain adds to a failure of git what is known of its cause.
func explain(err error) error {
	var ge *gitError
	if !errors.As(err, &ge) {
		return err
	}
	switch {
	case strings.Contains(ge.text, "shallow"):
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	case strings.Contains(ge.text, "mismatched algorithms"), strings.Contains(ge.text, "object format"):
		return fmt.Errorf("%w: %w", ErrSHA256, err)
	}
	return err
}
