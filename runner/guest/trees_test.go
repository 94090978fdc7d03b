//go:build linux

package guest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"satchel/manifest"
)

// closuresDir is where scripts/closures leaves the package lists of real
// descriptors: a lock each, and beside it what apt made of the same packages.
const closuresDir = referenceDir + "/closures"

// TestTreesLikeApt prepares package lists of real descriptors and compares each
// tree with the one that apt makes of the same packages. SATCHEL_TREES names
// some of them; what apt made is kept.
func TestTreesLikeApt(t *testing.T) {
	needRoot(t)
	needFull(t)
	locks, _ := filepath.Glob(filepath.Join(closuresDir, "*.lock"))
	if len(locks) == 0 {
		t.Skip("nothing of the corpus here: run scripts/closures with its descriptors")
	}
	some := strings.Fields(os.Getenv("SATCHEL_TREES"))
	for _, file := range locks {
		id := strings.TrimSuffix(filepath.Base(file), ".lock")
		if len(some) > 0 && !slices.Contains(some, id) {
			continue
		}
		t.Run(id, func(t *testing.T) {
			c := readCorpusList(t, id)
			top := roomFor(t)
			want := c.aptTree(t, top)
			if os.Getenv("SATCHEL_TREES_APT") == "1" {
				return // only what takes longest and stays true
			}
			p := prepareIn(t, filepath.Join(top, "ours"), c.plan, c.debs)
			if p.out.Error != "" {
				t.Fatalf("%s\n%s", p.out.Error, tailOf(p.log, 4000))
			}
			checkDatabase(t, p.root)
			got, unexplained := linesOf(p.listing), 0
			if name := "/" + linkerCache; withoutTimes(got)[name] != withoutTimes(want)[name] {
				checkLinker(t, p.root)
			}
			all := timeDifferences(want, got, shipped(t, p.root), c.plan.Epoch)
			all = append(all, differences(withoutTimes(want), withoutTimes(got))...)
			for _, d := range all {
				if !isExplained(d) {
					unexplained++
					t.Errorf("unexplained: %s", d)
				}
			}
			t.Logf("| %s | %d | %d | %d | %d |", c.name, len(c.debs), len(want), len(all)-unexplained, unexplained)
			t.Logf("%s in %v, processors %v", p.out.Root, p.took.Round(10*time.Millisecond), p.cpu.Round(10*time.Millisecond))
		})
	}
}

const linkerCache = "etc/ld.so.cache"

// checkLinker makes the cache of shared libraries anew, which must change nothing.
func checkLinker(t *testing.T, root string) {
	t.Helper()
	before, err := os.ReadFile(filepath.Join(root, linkerCache))
	if err != nil {
		t.Error(err)
		return
	}
	if out, err := exec.Command("chroot", root, "/sbin/ldconfig").CombinedOutput(); err != nil {
		t.Errorf("ldconfig: %v\n%s", err, out)
	}
	if after, err := os.ReadFile(filepath.Join(root, linkerCache)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("ldconfig makes another /%s of the tree: %d bytes, then %d, %v", linkerCache, len(before), len(after), err)
	}
}

// corpusList is a package list with all that it needs.
type corpusList struct {
	id, name string
	plan     *Prepare
	debs     []string // files, in the plan's order
}

func readCorpusList(t *testing.T, id string) *corpusList {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(closuresDir, id+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	lock, err := manifest.ParseLock(id+".lock", data)
	if err != nil {
		t.Fatal(err)
	}
	name, err := os.ReadFile(filepath.Join(closuresDir, id+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	target := lock.Targets[0]
	c := &corpusList{id: id, name: strings.TrimSpace(string(name)), plan: &Prepare{
		Recipe: Recipe, Distro: target.Distro, Suite: target.Suite, Architecture: target.Architecture,
		MergedUsr: target.Image.MergedUsr, User: target.Distro,
	}}
	used := make(map[string]bool)
	for _, k := range target.Packages {
		used[k.Archive] = true
	}
	for _, a := range lock.Archives {
		if !used[a.ID()] {
			continue
		}
		at, err := time.Parse(time.RFC3339, a.Date)
		if err != nil {
			t.Fatal(err)
		}
		c.plan.Epoch = max(c.plan.Epoch, at.Unix())
	}
	base := target.Base()
	for i, k := range target.Packages {
		c.plan.Packages = append(c.plan.Packages, Deb{Name: k.Name, Version: k.Version, Architecture: k.Architecture, Base: base[i], Blob: k.Blob})
		hex := k.SHA256.Hex()
		c.debs = append(c.debs, filepath.Join(referenceDir, "cache/blobs/sha256", hex[:2], hex))
	}
	return c
}

// roomFor is a folder in memory where there is one, else on the disc.
func roomFor(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "satchel-trees-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// installScript makes what apt makes of packages on top of the reference tree
// $base: an overlay over it with its upper side below $top, seen in namespaces
// of their own. It ends with the tree's listing, by this test's own program.
const installScript = `set -eu
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$top/upper,workdir=$top/work" "$top/root"
cd "$top/root"
mkdir .satchel-debs
mount --bind "$debs" .satchel-debs
mount -t proc proc proc
mount -t sysfs sys sys
mount -t tmpfs dev dev
for d in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${d%:*}" c 1 "${d#*:}"; done
mknod -m 666 dev/tty c 5 0
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  DEBIAN_FRONTEND=noninteractive chroot . sh -c 'exec apt-get -y -o APT::Install-Recommends=false \
  -o APT::Sandbox::User=root install /.satchel-debs/*.deb' >"$top/log" 2>&1 || { tail -n 50 "$top/log" >&2; exit 1; }
rm usr/sbin/policy-rc.d
umount .satchel-debs proc sys dev
rmdir .satchel-debs
SATCHEL_TEST_PART=list SATCHEL_TEST_ROOT=$top/root "$self"
`

// aptTree lists the tree that apt makes of the closure.
func (c *corpusList) aptTree(t *testing.T, top string) map[string]string {
	t.Helper()
	kept := filepath.Join(closuresDir, c.id+".apt")
	if b, err := os.ReadFile(kept); err == nil {
		return linesOf(string(b))
	}
	base := filepath.Join(referenceDir, "ref/b")
	in := make(map[string]bool)
	for _, d := range referenceDebs(t, base) {
		in[filepath.Base(d)] = true
	}
	debs := filepath.Join(closuresDir, c.id+".debs") // beside the packages, so that they can be links
	if err := os.RemoveAll(debs); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(debs)
	if err := os.Mkdir(debs, 0o755); err != nil {
		t.Fatal(err)
	}
	left := len(in)
	for i, d := range c.plan.Packages {
		name := fmt.Sprintf("%s_%s_%s.deb", d.Name, strings.ReplaceAll(d.Version, ":", "%3a"), d.Architecture)
		if in[name] {
			left--
		} else if err := os.Link(c.debs[i], filepath.Join(debs, name)); err != nil {
			t.Fatal(err)
		}
	}
	if left > 0 {
		t.Fatalf("%d packages of %s are not in the closure: make both anew", left, base)
	}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	room := filepath.Join(top, "apt")
	if err := os.Mkdir(room, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(room)
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "bash", "-c", installScript)
	cmd.Env = append(os.Environ(), "base="+base, "debs="+debs, "top="+room, "self="+self)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	listing, err := cmd.Output()
	if err != nil {
		t.Fatalf("installing with apt: %v\n%s", err, tailOf(stderr.String(), 4000))
	}
	t.Logf("apt took %v for what the base lacks", time.Since(start).Round(10*time.Millisecond))
	if err := os.WriteFile(kept+".new", listing, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(kept+".new", kept); err != nil {
		t.Fatal(err)
	}
	return linesOf(string(listing))
}

// listTree is the part of the test's program that lists a tree.
func listTree() int {
	if _, err := Listing(context.Background(), os.Getenv("SATCHEL_TEST_ROOT"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// timeDifferences compares the times of files and links that both trees have:
// what came in a package must keep its time, what a script made has epoch. A
// line is "t PATH want | got".
func timeDifferences(want, got map[string]string, shipped map[string]bool, epoch int64) (d []string) {
	for name, w := range want {
		g, ok := got[name]
		a, b := strings.Split(w, " "), strings.Split(g, " ")
		if !ok || a[0] != b[0] || a[0] == "d" || b[5] == strconv.FormatInt(epoch, 10) && !shipped[name] {
			continue
		}
		if at, err := strconv.ParseInt(a[5], 10, 64); err != nil || strconv.FormatInt(min(at, epoch), 10) != b[5] {
			d = append(d, "t "+name+" "+a[5]+" | "+b[5])
		}
	}
	slices.Sort(d)
	return d
}

// shipped are the files of all packages, where a merged /usr has them.
func shipped(t *testing.T, root string) map[string]bool {
	t.Helper()
	lists, err := filepath.Glob(filepath.Join(root, infoDir, "*.list"))
	if err != nil || len(lists) == 0 {
		t.Fatalf("no lists of files: %v", err)
	}
	m := make(map[string]bool)
	for _, l := range lists {
		b, err := os.ReadFile(l)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.Lines(string(b)) {
			name = strings.TrimSuffix(name, "\n")
			switch top, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/"); top {
			case "bin", "sbin", "lib", "lib32", "lib64", "libx32":
				name = "/usr" + name
			}
			m[escape(name)] = true
		}
	}
	return m
}
