//go:build linux

package guest

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// referenceDir holds real packages (debs/) and the trees that mmdebstrap made
// of them (ref/a: the Essential packages alone; ref/b: with gitian's base
// packages). scripts/references makes them, since tests reach no network.
const referenceDir = "/var/cache/satchel-test"

// explained are the differences between our tree and mmdebstrap's that are
// meant, by kind ("=" is "~" for a file of the same size) and path pattern
// ("/**" means everything below).
var explained = []struct{ kind, pattern, reason string }{
	{"-", "/etc/apt/apt.conf.d/99mmdebstrap", "mmdebstrap's own setting"},
	{"-", "/etc/apt/sources.list.d/0000*.sources", "mmdebstrap's own sources"},
	{"-", "/etc/apt/*", "directories mmdebstrap makes for an apt that is not there"},
	{"-", "/etc/fstab", "mmdebstrap writes one"},
	{"-", "/var/lib/apt/**", "apt ran: indexes, and what was asked for"},
	{"-", "/var/lib/apt", "apt ran"},
	{"-", "/var/cache/apt/**", "apt ran: its cache of packages"},
	{"-", "/var/cache/apt", "apt ran"},
	{"-", "/var/log/apt", "apt ran"},
	{"-", "/var/log/apt/*", "apt ran: what it did, and when"},
	{"-", "/var/log/*.log", "logs, normalised away"},
	{"-", "/var/cache/ldconfig/aux-cache", "has inode numbers and times of change, normalised away"},
	{"~", "/var/cache/apt/archives/partial", "apt gives it to its own user when it first runs"},
	{"~", "/var/lib/apt/lists/partial", "apt gives it to its own user when it first runs"},
	{"-", "/var/lib/dpkg/*-old", "backup, normalised away"},
	{"-", "/var/cache/debconf/*-old", "backup, normalised away"},
	{"-", "/etc/passwd-", "backup, normalised away"},
	{"-", "/etc/group-", "backup, normalised away"},
	{"-", "/etc/shadow-", "backup, normalised away"},
	{"-", "/etc/gshadow-", "backup, normalised away"},
	{"-", "/run/**", "lives until the next boot, normalised away"},
	{"-", "/tmp/**", "lives until the next boot, normalised away"},
	{"~", "/etc/machine-id", "names one machine, emptied"},
	{"-", "/var/lib/dbus/machine-id", "names one machine, normalised away"},
	{"-", "/etc/ssh/ssh_host_*", "keys drawn at random, normalised away"},
	{"-", "/var/lib/systemd/catalog/database", "has an identity drawn at random, normalised away"},
	{"~", "/var/log/faillog", "a log, emptied"},
	{"~", "/var/log/lastlog", "a log, emptied"},
	{"-", "**/__pycache__/*.cpython-3?.pyc", "compiled modules: Python 3.9 writes them in an order drawn at random"},
	{"~", "/etc/passwd", "has the build user"},
	{"~", "/etc/group", "has the build user"},
	{"~", "/etc/shadow", "has the build user, and days of the epoch"},
	{"~", "/etc/gshadow", "has the build user"},
	{"~", "/etc/subuid", "has the build user"},
	{"~", "/etc/subgid", "has the build user"},
	{"+", "/etc/mtab", "as Docker makes it in every container"},
	{"+", "/home/debian", "the build user's"},
	{"+", "/home/debian/*", "the build user's"},
	{"~", "/etc/locale.gen", "asks for en_US.UTF-8"},
	{"+", "/usr/lib/locale/locale-archive", "has en_US.UTF-8"},
	{"=", "/etc/ssl/certs/java/cacerts", "the same certificates, added at the epoch"},
	{"=", "/etc/shells", "the same lines; packages are configured in another order"},
	{"=", "/var/lib/dpkg/triggers/File", "the same lines; packages are unpacked in another order"},
	{"~", "/etc/ld.so.cache", "ours is what ldconfig makes of the tree, which is tested; apt's has no links of packages without libraries, come later"},
	{"-", "/var/cache/fontconfig/*", "has times of directories, normalised away"},
	{"~", "/usr/bin/uncompress", "one file with gunzip, as in the package; moving /bin into /usr split them"},
}

func isExplained(d string) bool {
	kind, rest, _ := strings.Cut(d, " ")
	name, lines, _ := strings.Cut(rest, " ")
	for _, e := range explained {
		if (e.kind == kind || e.kind == "=" && kind == "~" && sameSize(lines)) && (rule{pattern: e.pattern}).matches(name) {
			return true
		}
	}
	return false
}

// sameSize tells whether "type mode uid gid size sum | type …" are files that
// differ in nothing but their sum.
func sameSize(lines string) bool {
	want, got, ok := strings.Cut(lines, " | ")
	i, j := strings.LastIndexByte(want, ' '), strings.LastIndexByte(got, ' ')
	return ok && i > 0 && j > 0 && want[:i] == got[:j]
}

// referenceDebs lists the .deb files of the packages in a reference tree's
// database, sorted.
func referenceDebs(t *testing.T, ref string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(ref, statusFile))
	if err != nil {
		skip(t, "no reference tree: "+err.Error())
	}
	var debs []string
	for stanza := range strings.SplitSeq(string(b), "\n\n") {
		f := map[string]string{}
		for l := range strings.Lines(stanza) {
			if k, v, ok := strings.Cut(strings.TrimSpace(l), ": "); ok && !strings.HasPrefix(l, " ") {
				f[k] = v
			}
		}
		if f["Package"] == "" {
			continue
		}
		name := f["Package"] + "_" + strings.ReplaceAll(f["Version"], ":", "%3a") + "_" + f["Architecture"] + ".deb"
		debs = append(debs, filepath.Join(referenceDir, "debs", name))
	}
	sort.Strings(debs)
	return debs
}

// needFull skips what takes longer than everyday tests may.
func needFull(t *testing.T) {
	t.Helper()
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("takes a minute: set SATCHEL_FULL=1")
	}
}

func TestPrepareLikeMmdebstrap(t *testing.T) {
	needRoot(t)
	needFull(t)
	for _, name := range []string{"a", "b", "trixie", "bullseye"} {
		t.Run(name, func(t *testing.T) {
			ref := filepath.Join(referenceDir, "ref", name)
			debs := referenceDebs(t, ref)
			plan := planOf(t, debs)
			if st, err := os.Lstat(filepath.Join(ref, "bin")); err != nil || st.IsDir() {
				plan.MergedUsr = false
			}
			top := t.TempDir()
			if keep := os.Getenv("SATCHEL_KEEP"); keep != "" {
				top = keep // to look at it afterwards
			}
			p := prepareIn(t, filepath.Join(top, name), plan, debs)
			t.Logf("%d packages in %v, processors %v, peak %d MB\n%s", len(debs), p.took, p.cpu, p.peak>>20, strings.Join(p.steps, "\n"))
			if p.out.Error != "" {
				t.Fatalf("%s\n%s", p.out.Error, tailOf(p.log, 4000))
			}
			for _, d := range differences(treeOf(t, ref, io.Discard), treeOf(t, p.root, io.Discard)) {
				if !isExplained(d) {
					t.Errorf("unexplained: %s", d)
				}
			}
			checkDatabase(t, p.root)
		})
	}
}

// checkDatabase asks the root's own dpkg whether all is well.
func checkDatabase(t *testing.T, root string) {
	t.Helper()
	for _, arg := range []string{"--audit", "--verify"} {
		out, err := exec.Command("chroot", root, "/usr/bin/dpkg", arg).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("dpkg %s: %v\n%s", arg, err, out)
		}
	}
}

func tailOf(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
