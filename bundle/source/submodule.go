package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"satchel/bundle/source/pack"
	"satchel/manifest"
)

// submodule is one that a commit's tree has, with what .gitmodules says of it.
type submodule struct {
	path, name, url string
	commit          pack.ID
}

// readSubmodules finds the submodules of a tree.
func (g *repository) readSubmodules(ctx context.Context, b *batch, tree pack.ID) ([]submodule, error) {
	links := map[string]pack.ID{}
	var modules *pack.ID
	entries := 0
	err := b.walkTree(tree, "", 0, func(path string, e pack.Entry) error {
		if entries++; entries > maxCheckout {
			return fmt.Errorf("reading tree: a checkout of more than %d files: %w", maxCheckout, ErrRefused)
		}
		switch {
		case e.Kind == 0:
			links[path] = e.ID
			if len(links) > maxSubmodules {
				return fmt.Errorf("reading tree: more than %d submodules: %w", maxSubmodules, ErrRefused)
			}
		case path == ".gitmodules" && e.Kind == pack.Blob:
			modules = &e.ID
		}
		return nil
	})
	if err != nil || len(links) == 0 {
		return nil, err
	}
	if modules == nil {
		return nil, fmt.Errorf("reading submodules: the tree has %d, among them %.200q, but no .gitmodules", len(links), slices.Min(slices.Collect(maps.Keys(links))))
	}
	out, err := g.run(ctx, "config", "--no-includes", "--blob="+modules.String(), "-z", "--list")
	if err != nil {
		return nil, fmt.Errorf("reading .gitmodules: %w", err)
	}
	return matchSubmodules(links, string(out))
}

// matchSubmodules joins the tree's submodules with `git config -z --list` of
// .gitmodules; the result is in order of path.
func matchSubmodules(links map[string]pack.ID, config string) ([]submodule, error) {
	type section map[string]string
	sections := map[string]section{}
	for item := range strings.SplitSeq(config, "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		rest, ok := strings.CutPrefix(key, "submodule.")
		i := strings.LastIndexByte(rest, '.')
		if !ok || i < 0 {
			continue
		}
		if sections[rest[:i]] == nil {
			sections[rest[:i]] = section{}
		}
		sections[rest[:i]][rest[i+1:]] = value // the last one holds
	}
	byPath := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		path := strings.TrimRight(sections[name]["path"], "/")
		if _, ok := links[path]; !ok {
			continue
		}
		if other, ok := byPath[path]; ok {
			return nil, fmt.Errorf("reading .gitmodules: %.200q and %.200q have the same path: %w", other, name, ErrRefused)
		}
		byPath[path] = name
	}
	var all []submodule
	for _, path := range slices.Sorted(maps.Keys(links)) {
		name, ok := byPath[path]
		if !ok {
			return nil, fmt.Errorf("reading .gitmodules: it says nothing of the submodule %.200q", path)
		}
		s := sections[name]
		if s["update"] == "none" {
			continue
		}
		if strings.HasPrefix(s["update"], "!") {
			return nil, fmt.Errorf("reading .gitmodules: submodule %.200q wants to run a command: %w", name, ErrRefused)
		}
		if s["url"] == "" {
			return nil, fmt.Errorf("reading .gitmodules: the submodule %.200q has no URL", name)
		}
		if err := checkModule(name, path); err != nil {
			return nil, fmt.Errorf("reading .gitmodules: %w", err)
		}
		all = append(all, submodule{path: path, name: name, url: s["url"], commit: links[path]})
	}
	return all, nil
}

// checkModule refuses names and paths that would lead out of their directory,
// into a .git, or be taken for an option.
func checkModule(name, path string) error {
	for what, s := range map[string]string{"name": name, "path": path} {
		bad := s == "" || len(s) > 1024 || s[0] == '-' || s[0] == '/' || strings.ContainsAny(s, "\\\x00")
		for i := 0; i < len(s); i++ {
			bad = bad || s[i] < ' ' || s[i] == 0x7f
		}
		for part := range strings.SplitSeq(s, "/") {
			bad = bad || part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || strings.EqualFold(part, "git~1")
		}
		if bad {
			return fmt.Errorf("submodule %s %.200q: %w", what, s, ErrRefused)
		}
	}
	return nil
}

// walkTree calls fn for everything in a tree, deeply. It reads every
// directory, as a submodule may be in any.
func (b *batch) walkTree(tree pack.ID, prefix string, depth int, fn func(path string, e pack.Entry) error) error {
	if depth > 512 || len(prefix) > 4096 {
		return fmt.Errorf("reading tree: directories are too deep: %w", ErrRefused)
	}
	raw, err := b.object(tree, pack.Tree)
	if err != nil {
		return err
	}
	var dirs []pack.Entry
	err = pack.ParseTree(raw, func(e pack.Entry) error {
		if e.Kind == pack.Tree {
			dirs = append(dirs, e)
		}
		return fn(prefix+string(e.Name), e)
	})
	if err != nil {
		return fmt.Errorf("tree %s: %w", tree, err)
	}
	for _, d := range dirs {
		if err := b.walkTree(d.ID, prefix+string(d.Name)+"/", depth+1, fn); err != nil {
			return err
		}
	}
	return nil
}

// submodules pins the submodules of f, and theirs, below prefix.
func (l *locker) submodules(ctx context.Context, f fetched, prefix string, depth int) ([]manifest.SubmodulePin, error) {
	if depth > maxNested {
		return nil, fmt.Errorf("submodule %.200q: more than %d in one another: %w", prefix, maxNested, ErrRefused)
	}
	var pins []manifest.SubmodulePin
	for _, s := range f.links {
		if l.count++; l.count > maxSubmodules {
			return nil, fmt.Errorf("submodule %.200q: more than %d: %w", prefix+s.path, maxSubmodules, ErrRefused)
		}
		url, err := relativeURL(f.url, s.url)
		if err != nil {
			return nil, fmt.Errorf("submodule %.200q: %w", prefix+s.path, err)
		}
		local := f.local && url != s.url // relative to what the user named
		one, err := l.fetch(ctx, url, local, func(g *repository, url string) (resolved, error) {
			return resolved{commit: s.commit}, g.fetchCommit(ctx, url, s.commit)
		})
		if err != nil {
			return nil, fmt.Errorf("submodule %.200q: %w", prefix+s.path, err)
		}
		pins = append(pins, manifest.SubmodulePin{Path: prefix + s.path, Name: s.name, URL: url, Commit: s.commit.String(), Pack: one.pack})
		inner, err := l.submodules(ctx, one, prefix+s.path+"/", depth+1)
		if err != nil {
			return nil, err
		}
		pins = append(pins, inner...)
	}
	return pins, nil
}
