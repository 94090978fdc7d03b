//go:build linux

package guest

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestRulesAreReadable checks the table itself: sound patterns, a reason each,
// no pattern twice.
func TestRulesAreReadable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules {
		if _, err := path.Match(r.pattern, "/"); err != nil || !strings.HasPrefix(strings.TrimPrefix(r.pattern, "**"), "/") {
			t.Errorf("%q is not a pattern of a path", r.pattern)
		}
		if r.reason == "" || seen[r.pattern] {
			t.Errorf("%q has no reason, or comes twice", r.pattern)
		}
		seen[r.pattern] = true
	}
}

func TestNormalise(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	files := map[string]string{ // name → what becomes of it
		"run/lock/x": "gone", "run/utmp": "gone", "tmp/a/b": "gone", "var/tmp/x": "gone",
		"var/log/dpkg.log": "gone", "var/log/apt/term.log": "gone", "var/log/lastlog": "empty", "var/log/deep/er/file": "empty",
		"var/lib/dpkg/status": "same", "var/lib/dpkg/status-old": "gone", "var/lib/dpkg/info/x.list": "same",
		"etc/passwd": "same", "etc/passwd-": "gone", "etc/machine-id": "empty", "etc/ssh/ssh_host_rsa_key": "gone", "etc/ssh/sshd_config": "same",
		"var/lib/apt/lists/x_Packages": "gone", "var/lib/apt/lists/partial/y": "gone", "var/lib/apt/extended_states": "same",
		"var/cache/ldconfig/aux-cache": "gone", "var/cache/apt/pkgcache.bin": "gone", "var/cache/man/cat1/x": "gone",
		"usr/lib/python3/__pycache__/x.cpython-39.pyc": "gone", "usr/lib/python3/__pycache__/x.cpython-313.pyc": "same",
		"opt/a/b/__pycache__/y.cpython-310.pyc": "gone", "usr/lib/x.cpython-39.pyc": "same",
		"usr/bin/run": "same", "home/x/tmp/y": "same",
	}
	for name := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte("text"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	const shadow = "root:*:20780:0:99999:7:::\nnew:!:0:0:99999:7:::\nodd:x\n"
	if err := os.WriteFile(filepath.Join(root, "etc/shadow"), []byte(shadow), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(root, "etc/shadow"), 0, 42); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("x", filepath.Join(root, "usr/link")); err != nil {
		t.Fatal(err)
	}
	const epoch = 1_000_000_000
	times := func(name string, _ int64) int64 {
		if name == "usr/bin/run" {
			return 77
		}
		return epoch
	}
	tree := newTree(root)
	if err := normalise(t.Context(), tree, epoch, times); err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got := "gone"
		if b, err := os.ReadFile(filepath.Join(root, name)); err == nil && len(b) == 0 {
			got = "empty"
		} else if err == nil {
			got = "same"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if got := readAll(t, filepath.Join(root, "etc/shadow")); got != "root:*:11574:0:99999:7:::\nnew:!:0:0:99999:7:::\nodd:x\n" {
		t.Errorf("shadow: got %q", got)
	}
	lines, err := walk(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		want := int64(epoch)
		if l.name == "/usr/bin/run" {
			want = 77
		}
		if l.st.Mtim.Sec != want || l.st.Mtim.Nsec != 0 {
			t.Errorf("%s: time %d.%d, want %d", l.name, l.st.Mtim.Sec, l.st.Mtim.Nsec, want)
		}
		if l.name == "/etc/shadow" && (l.st.Gid != 42 || l.st.Mode&0o777 != 0o640) {
			t.Errorf("shadow has group %d and mode %o", l.st.Gid, l.st.Mode&0o777)
		}
	}
	before, err := Listing(t.Context(), root, &strings.Builder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := normalise(t.Context(), tree, epoch, times); err != nil {
		t.Fatal(err)
	}
	if after, err := Listing(t.Context(), root, &strings.Builder{}); err != nil || after != before {
		t.Errorf("normalising again gives %s, %v, want %s", after, err, before)
	}
}
