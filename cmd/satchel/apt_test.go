package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/aptmirror/archivetest"
	"satchel/manifest"
)

// What the real apt makes of a bundle, by the commands of OFFLINE.md.

// shellBlocks are the commands that a part of a document shows, from the
// heading to the next one of its level.
func shellBlocks(t *testing.T, name, heading string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no %q", name, heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	section, _, _ = strings.Cut(section, "\n"+level+" ")
	var blocks []string
	for _, block := range strings.Split(section, "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```")
		blocks = append(blocks, commands)
	}
	return blocks
}

// layOut takes a bundle apart and lays it out for apt, as the specification
// says, and returns the folder that it shows.
func (c *crossing) layOut(t *testing.T, bundle string) string {
	t.Helper()
	for _, tool := range []string{"jq", "ruby"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip(t, tool+" is not installed")
		}
	}
	const spec = "../../OFFLINE.md"
	blocks := shellBlocks(t, spec, "## 5. Checking a bundle by hand")
	to := slices.IndexFunc(blocks, func(b string) bool { return strings.Contains(b, "ssh-keygen") })
	script := strings.Join(append(blocks[:to+1:to+1], shellBlocks(t, spec, "### With apt itself")[0]), "")
	dir := filepath.Join(c.dir, bundle+".d")
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Link(filepath.Join(c.dir, bundle), filepath.Join(dir, "hello.satchel"))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "allowed_signers"), []byte("alice@example.org "+c.read(t, "key.pub")), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	runShell(t, dir, script)
	return filepath.Join(dir, "taken")
}

// runShell runs commands of a document.
func runShell(t *testing.T, dir, script string) {
	t.Helper()
	cmd := exec.Command("bash", "-eo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// apt bootstraps from hello's bundle alone, without network: the packages are
// those of the lock.
func (c *crossing) apt(t *testing.T) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		skip(t, "mmdebstrap is not installed")
	}
	dir := c.layOut(t, "hello.satchel")
	runShell(t, dir, shellBlocks(t, "../../OFFLINE.md", "### With apt itself")[1])
	if n := bytes.Count([]byte(c.read(t, "hello.satchel.d", "taken", "installed")), []byte("\n")); n < 100 {
		t.Errorf("apt installed %d packages", n)
	}
}

// aptAgrees: an apt that knows nothing but what a bundle has takes every package
// of its lock with the hash that the archive signed; and refuses all if a
// package, an index or a release file is another, or the key is. Sources get an
// option, and apt is allowed more, if old archives ask for it. It returns what apt
// said to the sound bundle.
func (c *crossing) aptAgrees(t *testing.T, bundle, option string, allowed ...string) string {
	t.Helper()
	dir := c.layOut(t, bundle)
	text, err := os.ReadFile(filepath.Join(dir, "lock.json"))
	var lock manifest.Lock
	if err == nil {
		err = json.Unmarshal(text, &lock)
	}
	sources, err2 := os.ReadFile(filepath.Join(dir, "sources.list"))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	text = bytes.ReplaceAll(sources, []byte("check-valid-until=no"), []byte("check-valid-until=no "+option))
	var foreign, wishes []string
	for _, p := range lock.Targets[0].Packages {
		name := p.Name
		if p.Architecture != "all" && p.Architecture != "amd64" {
			name += ":" + p.Architecture
			foreign = append(foreign, p.Architecture)
		}
		wishes = append(wishes, name+"="+p.Version)
	}
	ask := func(allowed ...string) (string, error) {
		apt := archivetest.NewApt(t, string(text), foreign...)
		apt.Wrap = offline()
		out, err := apt.Run("apt-get", append([]string{"update"}, allowed...)...)
		if err == nil {
			out, err = apt.Run("apt-get", slices.Concat([]string{"install", "--yes", "--download-only"}, allowed, wishes)...)
		}
		return out, err
	}
	said, err := ask(allowed...)
	if err != nil {
		t.Errorf("apt does not take the bundle: %v\n%s", err, said)
	}
	if out, err := ask(); err == nil && len(allowed) > 0 {
		t.Errorf("apt takes the bundle with nothing allowed, too:\n%s", out)
	}
	first := lock.Archives[0]
	top := filepath.Join(dir, "apt", first.Name)
	dists := filepath.Join(top, "dists", first.Suite)
	var deb string
	for _, p := range lock.Targets[0].Packages {
		if strings.HasPrefix(p.Archive, first.Name+"/") {
			deb = p.Path
		}
	}
	for _, name := range []string{filepath.Join(top, deb), filepath.Join(dists, first.Indexes[0].Path), filepath.Join(dists, first.Release[0].Path), filepath.Join(dists, "keyring.gpg")} {
		sound, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		other := bytes.Clone(sound)
		other[len(other)/2] ^= 1
		os.Remove(name) // it is a link
		if err := os.WriteFile(name, other, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := ask(allowed...); err == nil {
			t.Errorf("apt takes the bundle with another %s:\n%s", name, out)
		}
		if err := os.WriteFile(name, sound, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return said
}
