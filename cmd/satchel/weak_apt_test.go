package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"satchel/aptmirror/archivetest"
)

// TestOldUbuntuByApt: an archive of lucid's time goes the whole way into a bundle,
// and the real apt, without a network, takes all of the lock out of the bundle's
// files by the archive's own DSA key, once it is told that SHA-1 will do; and what
// was changed it refuses then, too. Of lucid's Release files the older ones have no
// SHA-256.
func TestOldUbuntuByApt(t *testing.T) {
	t.Parallel()
	if os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("apt reads two bundles six times each: set SATCHEL_FULL=1")
	}
	if os.Getuid() != 0 {
		skip(t, "a place without network takes root")
	}
	for _, tool := range []string{"unshare", "ssh-keygen", "apt-get"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip(t, tool+" is not installed")
		}
	}
	sha1 := []string{"-o", "APT::Hashes::SHA1::Untrusted=no", "-o", "APT::Hashes::SHA1::Weak=yes"}
	for name, r := range map[string]struct {
		hashes  []string
		flags   []string // of lock
		option  string   // of apt's source
		allowed []string // to apt
	}{
		"signatures": {[]string{"MD5Sum", "SHA1", "SHA256"}, []string{"--allow-weak-signatures"}, "", sha1},
		"hashes too": {[]string{"MD5Sum", "SHA1"}, []string{"--allow-weak-signatures", "--allow-weak-hashes"},
			"allow-weak=yes", append(sha1, "--allow-unauthenticated")},
	} {
		t.Run(name, func(t *testing.T) {
			n := newInternet(t)
			old := archivetest.NewDSAKey(t, true)
			uni := archivetest.Deb("uni", "2", "Depends: tool\n")
			uni.Component = "universe"
			for pocket, packages := range map[string][]archivetest.Package{
				"": {archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "1", ""), uni}, "-updates": {archivetest.Deb("tool", "1.1", "")}, "-security": nil,
			} {
				n.Publish(t, archivetest.Suite{Archive: "old-releases.ubuntu.com/ubuntu", Name: "lucid" + pocket, Codename: "lucid", Origin: "Ubuntu", Version: "10.04",
					Components: []string{"main", "universe"}, Hashes: r.hashes, Forms: []string{".gz", ".bz2"}, Detached: true, Keys: []*archivetest.Key{old}, Packages: packages})
			}
			n.write(t, "archive.gpg", append(n.Keyring(t), old.Public(t)...))
			n.write(t, "tool.yml", []byte(strings.NewReplacer("'", `"`, "debian", "ubuntu", "bookworm", "lucid", "['tool']", "[uni]").Replace(toolDescriptor)))
			if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(n.dir, "key")).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			n.satchel(t, 0, append([]string{"lock", "tool.yml", "-o", "tool.lock"}, r.flags...)...)
			n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel", "--sign", "key")
			n.satchel(t, 0, "verify", "tool.satchel", "--keyring", "key.pub", "--archive-keyring", "archive.gpg")
			c := &crossing{dir: n.dir}
			if out := c.aptAgrees(t, "tool.satchel", r.option, r.allowed...); !strings.Contains(out, " uni amd64 2 ") || !strings.Contains(out, " tool amd64 1.1 ") {
				t.Errorf("apt does not say that it took uni and the newer tool:\n%s", out)
			}
		})
	}
}
