package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// referenceDir holds what .ci/reference… made: see TestReference.
const referenceDir = "/var/cache/satchel-test"

// referenceDebs lists the .deb files of the packages that dpkg calls
// installed in a reference tree, sorted.
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

func TestPrepareLikeMmdebstrap(t *testing.T) {
	needRoot(t)
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("takes a minute: set SATCHEL_FULL=1")
	}
	for _, name := range []string{"a", "b"} {
		t.Run(name, func(t *testing.T) {
			ref := filepath.Join(referenceDir, "ref", name)
			debs := referenceDebs(t, ref)
			plan := planOf(t, debs)
			root := os.Getenv("SATCHEL_KEEP")
			if root == "" {
				root = t.TempDir()
			}
			root = filepath.Join(root, name)
			p := prepareIn(t, root, plan, debs)
			t.Logf("%d packages in %v, peak %d MB\n%s", len(debs), p.took, p.peak>>20, strings.Join(p.steps, "\n"))
			if p.out.Error != "" {
				t.Fatalf("%s\n%s", p.out.Error, tailOf(p.log, 4000))
			}
			t.Logf("root %s", p.out.Root)
			if dir := os.Getenv("SATCHEL_KEEP"); dir != "" {
				os.WriteFile(filepath.Join(dir, name+".listing"), []byte(p.listing), 0o644)
				os.WriteFile(filepath.Join(dir, name+".log"), []byte(p.log), 0o644)
			}
			for _, arg := range []string{"--audit", "--verify"} {
				out, err := exec.Command("chroot", root, "/usr/bin/dpkg", arg).CombinedOutput()
				if err != nil || len(out) > 0 {
					t.Errorf("dpkg %s: %v\n%s", arg, err, out)
				}
			}
		})
	}
}

func tailOf(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
