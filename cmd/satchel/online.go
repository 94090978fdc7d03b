package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/bundle/plan"
	"satchel/bundle/source"
	"satchel/bundle/store"
	"satchel/imagestore"
	"satchel/imagestore/pull"
	"satchel/manifest"
)

// globals are the flags that every verb has.
type globals struct{ Cache string }

// cachePath is the folder that satchel keeps things in, whether it is there or not.
func (g *globals) cachePath() (string, error) {
	dir := g.Cache
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding a cache folder: %w (give one with --cache)", err)
		}
		dir = filepath.Join(base, "satchel")
	}
	return filepath.Abs(dir)
}

// cacheDir makes that folder.
func (g *globals) cacheDir() (string, error) {
	dir, err := g.cachePath()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	return dir, nil
}

// online is what the connected half works with.
type online struct {
	ui      *ui
	dir     string // the cache
	store   *store.Store
	pools   plan.PoolCache
	fetch   *fetch.Client
	git     source.Options
	keyring *aptmirror.Keyring
	mirrors aptmirror.Mirrors
	named   []string // archives that --mirror names
}

// online opens the store and reads what this machine knows of archives.
func (g *globals) online(ui *ui, f lockFlags) (*online, error) {
	dir, err := g.cacheDir()
	if err != nil {
		return nil, err
	}
	o := &online{ui: ui, dir: dir, mirrors: aptmirror.Mirrors{Given: map[string][]string{}, GivenOnly: f.MirrorsOnly}}
	for _, m := range f.Mirror {
		name, url, ok := strings.Cut(m, "=")
		if !ok {
			return nil, fmt.Errorf("%w: --mirror %q: want ARCHIVE=URL, for example debian=http://deb.example.org/debian", errUsage, m)
		}
		o.mirrors.Given[name] = append(o.mirrors.Given[name], url)
		o.named = append(o.named, name)
	}
	if o.keyring, err = archiveKeys(f.ArchiveKeyring); err != nil {
		return nil, err
	}
	if o.mirrors.Machine, err = machineSources(f.AptSources); err != nil {
		ui.Stepf("not using this machine's apt sources: %v", err)
	}
	if o.store, err = store.Open(filepath.Join(dir, "blobs")); err != nil {
		return nil, err
	}
	o.pools = poolCache(dir)
	proxy, tls := o.reach(f.AptSources)
	o.fetch = fetch.New(fetch.Options{Proxy: proxy, TLS: tls, UserAgent: "satchel/" + version()})
	git, err := exec.LookPath("git")
	if err != nil {
		git = "" // said when a descriptor has remotes
	}
	o.git = source.Options{Work: filepath.Join(dir, "git"), Git: git, Env: os.Environ()}
	return o, nil
}

// poolCache is where what indexes say is kept, below the cache folder. A build
// of satchel takes only what it has made itself, for another one may read
// indexes in another way.
func poolCache(dir string) plan.PoolCache {
	program := version()
	if exe, err := os.Executable(); err == nil {
		if fi, err := os.Stat(exe); err == nil {
			program += fmt.Sprintf(" %d %d", fi.Size(), fi.ModTime().UnixNano())
		}
	}
	return plan.PoolCache{Dir: filepath.Join(dir, "index"), Program: program}
}

// checkMirrors refuses a --mirror that nobody would ever ask: it is misspelt, and
// others would be asked in its place. own are archives besides the distributions'.
func (o *online) checkMirrors(own []string) error {
	known := append(aptmirror.ArchiveNames(), own...)
	for _, name := range o.named {
		if !slices.Contains(known, name) {
			slices.Sort(known)
			return fmt.Errorf("%w: --mirror %s=…: there is no archive of that name here; there are %s", errUsage, name, strings.Join(slices.Compact(known), ", "))
		}
	}
	return nil
}

func (o *online) close() {
	o.fetch.Close()
	if err := o.store.Close(); err != nil {
		o.ui.Stepf("closing the cache: %v", err)
	}
}

func (o *online) progress(what string) fetch.Progress { return o.ui.progress(what) }

// archiveKeys reads the keyrings that were given, or those that this machine's
// apt and keyring packages have.
func archiveKeys(given []string) (*aptmirror.Keyring, error) {
	if len(given) > 0 {
		return readKeyrings(given)
	}
	var names []string
	for _, pattern := range []string{
		"/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-removed-keys.gpg",
		"/usr/share/keyrings/ubuntu-archive-keyring.gpg", "/usr/share/keyrings/ubuntu-archive-removed-keys.gpg",
		"/etc/apt/trusted.gpg.d/*.gpg", "/etc/apt/trusted.gpg.d/*.asc",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, errors.New("this machine has no archive keyring: install debian-archive-keyring or ubuntu-keyring, or give the keys with --archive-keyring")
	}
	return readKeyrings(names)
}

// machineSources reads the sources lists of this machine's apt.
func machineSources(dir string) ([]aptmirror.SourceEntry, error) {
	var all []aptmirror.SourceEntry
	for _, pattern := range []string{"sources.list", "sources.list.d/*.list", "sources.list.d/*.sources"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return all, err
			}
			list, err := aptmirror.ParseSourcesList(name, text)
			if err != nil {
				return all, err
			}
			all = append(all, list...)
		}
	}
	return all, nil
}

// image returns what imports the base system that --image names; nil for bootstrap.
func (o *online) image(name string) func(context.Context, string) (manifest.Image, error) {
	if name == "" {
		return nil
	}
	return func(ctx context.Context, arch string) (manifest.Image, error) {
		file, ref := imagestore.SplitRef(name)
		if _, err := os.Stat(file); err != nil {
			return pull.Pull(ctx, name, o.store, pull.Options{Architecture: arch, Transport: o.fetch.Transport()})
		}
		o.ui.Step("Importing " + name)
		return imagestore.ImportPath(ctx, file, o.store, imagestore.Options{Architecture: arch, Ref: ref})
	}
}
