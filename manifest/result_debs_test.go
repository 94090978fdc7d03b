package manifest

import (
	"errors"
	"strings"
	"testing"
)

// TestDebs: which packages a base manifest says were installed.
func TestDebs(t *testing.T) {
	digest := func(c string) string { return strings.Repeat(c, 64) }
	for name, tt := range map[string]struct {
		lines string
		debs  string // NAME VERSION ARCHITECTURE FIRST-DIGIT, one after the other
		older string
		err   string
	}{
		"none":                 {"", "", "", ""},
		"sorted by name":       {digest("1") + "  zlib1g_1_amd64.deb\n" + digest("2") + "  base_1_all.deb\n", "base 1 all 2, zlib1g 1 amd64 1", "", ""},
		"an epoch":             {digest("1") + "  a1_2%3a1.0-1_amd64.deb\n" + digest("2") + "  b1_1%3A1_amd64.deb\n", "a1 2:1.0-1 amd64 1, b1 1:1 amd64 2", "", ""},
		"two architectures":    {digest("1") + "  libc6_2_i386.deb\n" + digest("2") + "  libc6_2_amd64.deb\n", "libc6 2 amd64 2, libc6 2 i386 1", "", ""},
		"older ones":           {digest("1") + "  gcc_5_amd64.deb\n" + digest("2") + "  gcc_7_amd64.deb\n" + digest("3") + "  gcc_6_amd64.deb\n", "gcc 7 amd64 2", "gcc_5_amd64.deb gcc_6_amd64.deb", ""},
		"the newest first":     {digest("2") + "  gcc_7_amd64.deb\n" + digest("1") + "  gcc_5_amd64.deb\n", "gcc 7 amd64 2", "gcc_5_amd64.deb", ""},
		"one twice":            {digest("1") + "  gcc_5_amd64.deb\n" + digest("1") + "  gcc_5_amd64.deb\n", "gcc 5 amd64 1", "", ""},
		"one, two hashes":      {digest("1") + "  gcc_5_amd64.deb\n" + digest("2") + "  gcc_5_amd64.deb\n", "", "", "stands twice in the list of s-a, with two hashes"},
		"a path":               {digest("1") + "  ./gcc_5_amd64.deb\n", "gcc 5 amd64 1", "", ""},
		"noise":                {"Reading package lists...\n" + digest("1") + "  gcc_5_amd64.deb\nHit:1 http://x\n", "gcc 5 amd64 1", "", ""},
		"no package":           {digest("1") + "  gcc.tar.gz\n", "", "", `"gcc.tar.gz" in the list of s-a is no name of a package's file`},
		"another folder":       {digest("1") + "  ../gcc_5_amd64.deb\n", "", "", "is no name"},
		"a fourth part":        {digest("1") + "  gcc_5_amd64_x.deb\n", "", "", "is no name"},
		"no architecture":      {digest("1") + "  gcc_5.deb\n", "", "", "is no name"},
		"an empty version":     {digest("1") + "  gcc__amd64.deb\n", "", "", "is no name"},
		"an upper-case letter": {digest("1") + "  Gcc_5_amd64.deb\n", "", "", "is no name"},
		"a version of letters": {digest("1") + "  gcc_a%2f_amd64.deb\n", "", "", "is no name"},
	} {
		sums, noise := splitSums(tt.lines)
		r := &Result{Base: []BaseManifest{{Target: "other", Sums: []FileSum{}}, {Target: "s-a", Sums: sums, Noise: noise}}}
		debs, older, err := r.Debs("s-a", strings.Compare)
		var got []string
		for _, d := range debs {
			got = append(got, strings.Join([]string{d.Name, d.Version, d.Architecture, d.SHA256.Hex()[:1]}, " "))
			if again, v, a := SplitDebName(d.File()); again != d.Name || v != d.Version || a != d.Architecture {
				t.Errorf("%s: %q is read as %s %s %s", name, d.File(), again, v, a)
			}
		}
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) || strings.Join(got, ", ") != tt.debs || strings.Join(older, " ") != tt.older {
			t.Errorf("%s: got %q, older %q, %v; want %q, %q, %q", name, got, older, err, tt.debs, tt.older, tt.err)
		}
	}
	// A list that is not there; the form of 2011, whose one list is every target's.
	two := &Result{Base: []BaseManifest{{Target: "s-a"}, {Target: "s-b"}}}
	_, _, err := two.Debs("s-c", strings.Compare)
	var none *NoListError
	if !errors.As(err, &none) || none.Target != "s-c" || strings.Join(none.Has, " ") != "s-a s-b" {
		t.Errorf("got %v", err)
	}
	sums, _ := splitSums(digest("1") + "  gcc_5_amd64.deb\n")
	old := &Result{Base: []BaseManifest{{Target: oneBase, Sums: sums}}}
	if debs, _, err := old.Debs("lucid-i386", strings.Compare); err != nil || len(debs) != 1 {
		t.Errorf("got %v, %v", debs, err)
	}
	old.Base = append(old.Base, BaseManifest{Target: "s-a"})
	if _, _, err := old.Debs("lucid-i386", strings.Compare); !errors.As(err, &none) {
		t.Errorf("one of two lists is everybody's: %v", err)
	}
}
