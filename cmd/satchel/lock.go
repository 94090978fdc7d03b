package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"satchel/aptmirror"
	"satchel/bundle/plan"
	"satchel/manifest"
)

// lockFlags say how to plan; lock and gather share them.
type lockFlags struct {
	Commit              map[string]string `short:"c" mapsep:"," help:"Commit, tag or branch for a remote without one." placeholder:"DIR=COMMIT"`
	URL                 map[string]string `short:"u" mapsep:"," help:"Other URL or folder for a remote." placeholder:"DIR=URL"`
	Inputs              string            `help:"Folder that holds the descriptors' files." type:"existingdir" placeholder:"DIR"`
	Image               string            `help:"Base system: a root tarball, a docker-save or OCI archive, or a registry reference. Default: bootstrap from packages alone." placeholder:"FILE|REF"`
	BasePackages        []string          `help:"Base packages instead of gitian's; none if empty. The Essential set stays." placeholder:"LIST"`
	ArchiveKeyring      []string          `help:"Keys to check archives against, instead of this machine's." type:"existingfile" placeholder:"FILE"`
	Mirror              []string          `help:"Mirror to ask first for an archive; with @SNAPSHOTID@ in it, a snapshot service." placeholder:"ARCHIVE=URL" sep:"none"`
	AptSources          string            `help:"Folder of apt's sources.list and sources.list.d, whose mirrors are asked, too, and of apt.conf, for proxies." default:"/etc/apt" placeholder:"DIR"`
	MirrorsOnly         bool              `help:"Ask no mirror but those of --mirror and satchel.yaml."`
	Snapshot            string            `help:"Read archives as they were at a moment, from a snapshot service." placeholder:"MOMENT"`
	AllowWeakHashes     bool              `help:"Take an archive that lists its indexes by SHA-1 or MD5 alone; the lock says so."`
	AllowWeakSignatures bool              `help:"Take an archive that is signed by a DSA key or with SHA-1 alone, as Ubuntu's from lucid to precise are; the lock says so."`
	FromAssert          []string          `help:"Assert or result to reproduce: its commits, its files, its packages. The first of a descriptor says which; others of the release must have the same inputs and outputs." type:"existingfile" placeholder:"FILE" sep:"none"`
	AssertKeyring       []string          `help:"Who may have signed the asserts; each must have a good signature beside it." type:"path" placeholder:"FILE|DIR" sep:"none"`
	TrustAssert         bool              `help:"Go on where an archive cannot be reached, or has weak signatures alone: then whoever signed the assert is all that vouches for its packages, and the lock says so."`
	FillIn              bool              `help:"Take from the archives what an assert's packages need and it does not list."`
	IgnoreExpiry        bool              `help:"Take an archive whose Valid-Until has passed; the lock says so."`
}

type lockCmd struct {
	Descriptors []string `arg:"" name:"descriptor" type:"existingfile" help:"Gitian descriptors."`
	Output      string   `short:"o" default:"satchel.lock" help:"File to write." placeholder:"FILE"`
	From        []string `help:"With --from-assert: folders of .debs and files, apt's caches and older bundles that may have what it names." placeholder:"DIR|BUNDLE" sep:"none"`
	Needs       string   `help:"With --from-assert: file to write what nobody has to." placeholder:"FILE"`
	lockFlags
}

// Run plans and writes the lock.
func (c *lockCmd) Run(ctx context.Context, g *globals, ui *ui) error {
	if len(c.FromAssert) == 0 && (len(c.From) > 0 || c.Needs != "") {
		return fmt.Errorf("%w: --from and --needs are for --from-assert here; gather has them for what a lock pins", errUsage)
	}
	on, err := g.online(ui, c.lockFlags)
	if err != nil {
		return err
	}
	defer on.close()
	lock, err := on.lock(ctx, c.Descriptors, c.From, c.lockFlags)
	if err != nil {
		return writeNeeds(ui, c.Needs, nil, err)
	}
	text, err := lock.Marshal()
	if err != nil {
		return err
	}
	if err := writeFile(c.Output, text); err != nil {
		return err
	}
	ui.Stepf("%s: %s", c.Output, summary(lock))
	return nil
}

// lock plans the descriptors with what the flags say.
func (o *online) lock(ctx context.Context, files, from []string, f lockFlags) (*manifest.Lock, error) {
	var requests []plan.Request
	var own []string
	for _, name := range files {
		r, err := o.request(name, f)
		if err != nil {
			return nil, err
		}
		requests = append(requests, r)
		for _, repo := range r.Descriptor.Repositories {
			if found, err := aptmirror.ReadRepository(r.Descriptor.Distro, repo.Source, repo.Name); err == nil {
				own = append(own, found.Archive)
			}
		}
	}
	if err := o.checkMirrors(own); err != nil {
		return nil, err
	}
	moment, err := f.moment(time.Now())
	if err != nil {
		return nil, err
	}
	asserts, err := o.asserts(ctx, requests, from, f)
	if err != nil {
		return nil, err
	}
	p := plan.Planner{
		Asserts: asserts,
		Fetch:   o.fetch, Store: o.store, Git: o.git, Now: time.Now(), Progress: o.progress, Story: o.ui.Step,
		Keyring: o.keyring, Mirrors: o.mirrors, IgnoreExpiry: f.IgnoreExpiry, AllowWeakHashes: f.AllowWeakHashes, AllowWeakSignatures: f.AllowWeakSignatures, Snapshot: moment, TrustAssert: f.TrustAssert,
		AnySigner: len(f.ArchiveKeyring) > 0, Notes: filepath.Join(o.dir, "releases"), Pools: o.pools,
	}
	return p.Lock(ctx, requests)
}

// moment is that of --snapshot; zero if there is none.
func (f lockFlags) moment(now time.Time) (time.Time, error) {
	if f.Snapshot == "" {
		return time.Time{}, nil
	}
	at, err := aptmirror.ParseMoment(f.Snapshot)
	if err == nil && at.After(now) {
		err = fmt.Errorf("%s is not over yet", at.Format(time.RFC3339))
	}
	if err != nil {
		return at, fmt.Errorf("%w: --snapshot: %w", errUsage, err)
	}
	return at, nil
}

// request reads a descriptor and the satchel.yaml beside it.
func (o *online) request(name string, f lockFlags) (plan.Request, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return plan.Request{}, err
	}
	d, err := manifest.ParseDescriptor(name, text)
	if err != nil {
		return plan.Request{}, err
	}
	for _, k := range d.Unknown {
		o.ui.Stepf("%s: gitian does not know the key %q; it is ignored", name, k)
	}
	r := plan.Request{
		Descriptor: d, Inputs: f.Inputs,
		Commits: f.Commit, URLs: f.URL, Base: f.BasePackages, Image: o.image(f.Image),
	}
	if r.Settings, err = o.settings(name); err != nil {
		return r, err
	}
	r.Keyrings, err = repositoryKeys(filepath.Dir(name), r.Settings.Keyrings)
	return r, err
}

// repositoryKeys reads the keyrings that the satchel.yaml in dir names.
func repositoryKeys(dir string, files map[string]string) (map[string]*aptmirror.Keyring, error) {
	keys := map[string]*aptmirror.Keyring{}
	for name, file := range files {
		k, err := readKeyrings([]string{filepath.Join(dir, filepath.FromSlash(file))})
		if err != nil {
			return nil, fmt.Errorf("keyring of repository %s: %w", name, err)
		}
		keys[name] = k
	}
	return keys, nil
}

// settings reads the satchel.yaml beside a file, if there is one, and takes its
// mirrors.
func (o *online) settings(name string) (*manifest.Settings, error) {
	beside := filepath.Join(filepath.Dir(name), "satchel.yaml")
	text, err := os.ReadFile(beside)
	if errors.Is(err, os.ErrNotExist) {
		return &manifest.Settings{}, nil
	}
	if err != nil {
		return nil, err
	}
	set, err := manifest.ParseSettings(beside, text)
	if err != nil {
		return nil, err
	}
	for archive, urls := range set.Mirrors {
		o.mirrors.Given[archive] = append(o.mirrors.Given[archive], urls...)
	}
	return set, nil
}

// summary counts what a lock holds.
func summary(lock *manifest.Lock) string {
	var b bytes.Buffer
	packages, size := 0, int64(0)
	for _, t := range lock.Targets {
		packages += len(t.Packages)
	}
	blobs := lock.Blobs()
	for _, r := range blobs {
		size += r.Size
	}
	fmt.Fprintf(&b, "%s, %s, %s, %s in all", count(len(lock.Targets), "target"), count(packages, "package"),
		count(len(blobs), "blob"), bytesText(size))
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// bytesText is a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// writeFile puts data under name whole or not at all.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
