package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror/archivetest"
	"satchel/manifest"
)

// TestFromApt: what the real apt keeps of an archive is content at hand, when all
// mirrors are gone: its packages, under the names that it gives them, its release
// files, and the indexes as far as the lock pins them as apt keeps them. What is
// not there is exactly what is said to be missing. So it is with loose .debs, with
// a copy of the archive, and with an older bundle.
func TestFromApt(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("apt-get"); err != nil {
		skip(t, "no apt to ask")
	}
	compressed := []string{"dists/bookworm-security/main/binary-amd64/Packages.gz", "dists/bookworm-updates/main/binary-amd64/Packages.gz", "dists/bookworm/main/binary-amd64/Packages.gz"}
	for name, c := range map[string]struct {
		form    string
		missing []string // from apt's folders
	}{
		"plain": {"", nil}, "compressed": {".gz", compressed},
	} {
		t.Run(name, func(t *testing.T) {
			n := newInternet(t)
			for i, suite := range []string{"bookworm", "bookworm-updates", "bookworm-security"} {
				s := archivetest.Suite{Archive: "ftp.debian.org/debian", Name: suite, Forms: []string{c.form}, Date: time.Now().Add(-time.Hour),
					Packages: []archivetest.Package{archivetest.Deb("only-in-"+suite, "1", "")}}
				switch i {
				case 0:
					s.Packages = append(s.Packages, archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "1:2.0+b~1-1", ""))
				case 2:
					s.Archive = "security.debian.org/debian-security"
				}
				n.Publish(t, s)
			}
			signed := "deb [signed-by=" + filepath.Join(n.dir, "archive.gpg") + "] "
			apt := archivetest.NewApt(t, signed+"http://ftp.debian.org/debian bookworm main\n"+signed+"http://ftp.debian.org/debian bookworm-updates main\n"+
				signed+"http://security.debian.org/debian-security bookworm-security main\n")
			proxy := []string{"-o", "Acquire::http::Proxy=" + n.proxy.URL}
			for _, args := range [][]string{{"update"}, {"install", "--yes", "--download-only", "base", "tool"}} {
				if out, err := apt.Run("apt-get", append(proxy, args...)...); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock")
			n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "older.satchel")
			copied := filepath.Join(n.dir, "copied")
			if err := os.CopyFS(copied, os.DirFS(n.Dir)); err != nil {
				t.Fatal(err)
			}
			for _, host := range []string{"ftp.debian.org", "security.debian.org"} {
				n.forget(t, host)
			}
			archives, lists := filepath.Join(apt.Dir, "cache/archives"), filepath.Join(apt.Dir, "state/lists")
			all := append([]string{"dists/bookworm-security/InRelease", "dists/bookworm-updates/InRelease", "dists/bookworm/InRelease",
				"pool/main/b/base/base_1.0_amd64.deb", "pool/main/t/tool/tool_2.0+b~1-1_amd64.deb"}, compressed...)
			for i := range all {
				all[i] = strings.TrimSuffix(all[i], ".gz")
				if strings.HasSuffix(all[i], "/Packages") {
					all[i] += c.form
				}
			}
			slices.Sort(all)
			for _, place := range []struct {
				from    []string
				missing []string
			}{
				{nil, all},
				{[]string{archives, lists}, c.missing},
				{[]string{apt.Dir}, c.missing},
				{[]string{archives}, slices.DeleteFunc(slices.Clone(all), func(s string) bool { return strings.HasPrefix(s, "pool/") })},
				{[]string{copied + "/ftp.debian.org", copied + "/security.debian.org"}, nil},
				{[]string{copied}, nil},
				{[]string{"older.satchel"}, nil},
			} {
				n.freshCache(t)
				code := 0
				args := []string{"gather", "--lock", "tool.lock", "-o", "again.satchel", "--force", "--needs", "out.needs", "--inputs", "."}
				for _, f := range place.from {
					args = append(args, "--from", f)
				}
				if len(place.missing) > 0 {
					code = 6
				}
				n.satchel(t, code, args...)
				if code == 0 {
					n.satchel(t, 0, "verify", "--unsigned", "again.satchel", "--archive-keyring", "archive.gpg")
					continue
				}
				needs, err := manifest.ParseNeeds("out.needs", []byte(n.read(t, "out.needs")))
				if err != nil {
					t.Fatal(err)
				}
				var missing []string
				for _, b := range needs.Blobs {
					missing = append(missing, b.Path)
				}
				if slices.Sort(missing); !slices.Equal(missing, place.missing) {
					t.Errorf("from %q: missing are\n%s\nwant\n%s", place.from, strings.Join(missing, "\n"), strings.Join(place.missing, "\n"))
				}
			}
		})
	}
}
