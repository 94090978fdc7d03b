//go:build linux

package guest

import (
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/manifest"
)

// TestPrepareOnImage installs gitian's base packages on an image of the
// Essential ones, and compares with mmdebstrap's tree of both.
func TestPrepareOnImage(t *testing.T) {
	needRoot(t)
	needFull(t)
	base := filepath.Join(referenceDir, "ref", "a")
	ref := filepath.Join(referenceDir, "ref", "b")
	have := referenceDebs(t, base)
	var debs []string
	for _, d := range referenceDebs(t, ref) {
		if !slices.Contains(have, d) {
			debs = append(debs, d)
		}
	}
	image := filepath.Join(t.TempDir(), "image.tar")
	if out, err := exec.Command("tar", "--numeric-owner", "--xattrs", "-C", base, "-cf", image, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	plan := planOf(t, debs)
	plan.Layers = []manifest.Blob{blobOf(t, image)}
	var roots []string
	for _, name := range []string{"one", "two"} {
		p := initIn(t, filepath.Join(t.TempDir(), name), func(w io.Writer) error {
			return sendPrepare(w, plan, []string{image}, debs)
		})
		t.Logf("%d packages in %v\n%s", len(debs), p.took, strings.Join(p.steps, "\n"))
		if p.out.Error != "" {
			t.Fatalf("%s\n%s", p.out.Error, tailOf(p.log, 4000))
		}
		roots = append(roots, p.out.Root.String())
		for _, d := range differences(treeOf(t, ref, io.Discard), treeOf(t, p.root, io.Discard)) {
			if !isExplained(d) && !strings.HasPrefix(d, "+ /var/cache/apt") {
				t.Errorf("unexplained: %s", d)
			}
		}
		checkDatabase(t, p.root)
	}
	if roots[0] != roots[1] {
		t.Errorf("got root %s, then %s", roots[0], roots[1])
	}
}
