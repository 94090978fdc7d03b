//go:build linux

package guest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"satchel/manifest"
)

// gitEnv is the whole environment of the git commands that place a source:
// nothing of the container's configuration, no hooks, no prompts.
var gitEnv = [...]string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/nonexistent",
	"LC_ALL=C.UTF-8",
	"GIT_CONFIG_NOSYSTEM=1",
	"GIT_CONFIG_GLOBAL=/dev/null",
	"GIT_TERMINAL_PROMPT=0",
}

// checkout is one git work tree to make: a source or a submodule of one.
type checkout struct {
	what   string // for messages
	entry  string // tar entry that holds the pack
	tree   string // absolute path of the work tree
	gitDir string // absolute path of the repository
	commit string
	tag    string // tag object; "" if none
	ref    string
	url    string
	pack   manifest.Blob
}

// placeSource makes ~/build/DIR from its pack and those of its submodules, with
// the user's own git, as the user: work tree at the commit, detached, .git
// with everything that the commit and the tag reach, so that git describe
// answers what it answers upstream.
func placeSource(ctx context.Context, b *Build, i int, s Source, in *tar.Reader, frames *Frames) error {
	top := filepath.Join(b.Home, "build", s.Dir)
	c := checkout{
		what: "source " + s.Dir, entry: fmt.Sprintf("source/%d", i), tree: top, gitDir: filepath.Join(top, ".git"),
		commit: s.Commit, tag: s.Tag, ref: s.Ref, url: s.URL, pack: s.Pack,
	}
	if err := placeCheckout(ctx, b, c, in); err != nil {
		return err
	}
	modules := map[string]string{".": c.gitDir} // path of a checkout → its repository
	for j, m := range s.Submodules {
		parent := parentModule(modules, m.Path)
		sub := checkout{
			what: "submodule " + m.Path + " of " + s.Dir, entry: fmt.Sprintf("source/%d/%d", i, j),
			tree: filepath.Join(top, m.Path), gitDir: filepath.Join(parent, "modules", m.Name),
			commit: m.Commit, url: m.URL, pack: m.Pack,
		}
		if !filepath.IsLocal(m.Name) {
			return fmt.Errorf("placing %s: its name %q leaves the repository", sub.what, m.Name)
		}
		if err := placeCheckout(ctx, b, sub, in); err != nil {
			return err
		}
		if err := b.git(ctx, parent, parentTree(s, top, m.Path), "config", "submodule."+m.Name+".url", m.URL); err != nil {
			return err
		}
		modules[m.Path] = sub.gitDir
	}
	return nil
}

// parentModule returns the repository of the innermost checkout that holds path.
func parentModule(modules map[string]string, path string) string {
	for p := filepath.Dir(path); ; p = filepath.Dir(p) {
		if dir, ok := modules[p]; ok {
			return dir
		}
	}
}

// parentTree returns the work tree of the innermost checkout that holds path.
func parentTree(s Source, top, path string) string {
	best := ""
	for _, m := range s.Submodules {
		if strings.HasPrefix(path, m.Path+"/") && len(m.Path) > len(best) {
			best = m.Path
		}
	}
	return filepath.Join(top, best)
}

// placeCheckout receives one pack and checks its commit out.
func placeCheckout(ctx context.Context, b *Build, c checkout, in *tar.Reader) error {
	if err := nextEntry(in, c.entry, c.pack.Size); err != nil {
		return err
	}
	pack := filepath.Join(b.Home, "install", ".pack")
	if err := spool(pack, c.pack.Verify(in)); err != nil {
		return fmt.Errorf("placing %s: %w", c.what, err)
	}
	defer os.Remove(pack)
	for _, args := range c.commands() {
		stdin := ""
		if args[0] == "index-pack" {
			stdin = pack
		}
		if err := b.gitFrom(ctx, c, stdin, args...); err != nil {
			return fmt.Errorf("placing %s: %w", c.what, err)
		}
	}
	return nil
}

// commands are the git commands that make a checkout, in order.
func (c checkout) commands() [][]string {
	list := [][]string{
		{"init", "-q", "--template="},
		{"config", "core.bare", "false"},
		{"index-pack", "--stdin", "--strict"},
	}
	if c.tag != "" {
		name := c.ref
		if !strings.HasPrefix(name, "refs/") {
			name = "refs/tags/" + name
		}
		list = append(list, []string{"update-ref", name, c.tag})
	}
	return append(list,
		[]string{"update-ref", "--no-deref", "HEAD", c.commit},
		[]string{"reset", "-q", "--hard", c.commit},
		[]string{"config", "remote.origin.url", c.url},
		[]string{"config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"})
}

// gitFrom runs git for a checkout; stdin is the path of a file or "".
func (b *Build) gitFrom(ctx context.Context, c checkout, stdin string, args ...string) error {
	var r io.Reader
	if stdin != "" {
		f, err := os.Open(stdin)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
	}
	if args[0] == "init" {
		if err := b.makeTree(c); err != nil {
			return err
		}
	}
	return b.runGit(ctx, c.gitDir, c.tree, r, args)
}

// makeTree makes the folders of a checkout, and the .git file of a submodule.
func (b *Build) makeTree(c checkout) error {
	for _, p := range []string{c.tree, c.gitDir} {
		if err := b.makePath(p); err != nil {
			return err
		}
	}
	link := filepath.Join(c.tree, ".git")
	if link == c.gitDir {
		return nil
	}
	rel, err := filepath.Rel(c.tree, c.gitDir)
	if err != nil {
		return err
	}
	return spool(link, strings.NewReader("gitdir: "+rel+"\n"))
}

// makePath makes p and every missing parent below the home, the user's own.
// The part that is there must be directories, not links that lead elsewhere.
func (b *Build) makePath(p string) error {
	rel, err := filepath.Rel(b.Home, p)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("making %s: it is not below %s", p, b.Home)
	}
	at := b.Home
	for _, part := range strings.Split(rel, string(filepath.Separator)) {
		at = filepath.Join(at, part)
		fi, err := os.Lstat(at)
		if err == nil && !fi.IsDir() {
			return fmt.Errorf("making %s: %s is in the way", p, at)
		}
		if err == nil {
			continue
		}
		if err := makeDir(at); err != nil {
			return err
		}
	}
	return nil
}

// git runs one git command without input.
func (b *Build) git(ctx context.Context, gitDir, tree string, args ...string) error {
	return b.runGit(ctx, gitDir, tree, nil, args)
}

func (b *Build) runGit(ctx context.Context, gitDir, tree string, stdin io.Reader, args []string) error {
	argv := append([]string{"/usr/bin/git", "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false",
		"--git-dir=" + gitDir, "--work-tree=" + tree}, args...)
	var said bytes.Buffer
	plain := *b
	plain.Umask = 0o022 // gitian copies what the host checked out
	code, err := runAsUser(ctx, &plain, userCommand{argv: argv, dir: tree, env: gitEnv[:], stdin: stdin, out: &said})
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("git %s: exit status %d: %s", args[0], code, strings.TrimSpace(said.String()))
	}
	return nil
}
