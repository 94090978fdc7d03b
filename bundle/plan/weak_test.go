package plan

import (
	"errors"
	"slices"
	"testing"
	"time"

	"satchel/aptmirror"
	"satchel/manifest"
)

// TestWhoseWeakSignature: a weak one counts only by a key that somebody has named
// for the archive: the table of suites, or whoever gave the keys.
func TestWhoseWeakSignature(t *testing.T) {
	now := time.Now()
	signed := func(print string) foundRelease {
		return foundRelease{release: &aptmirror.Release{Suite: "x", Date: now}, signers: []aptmirror.Signer{{Fingerprint: print, Weak: true}}}
	}
	known := aptmirror.Suite{Name: "lucid", KeyFingerprints: []string{"A"}}
	for _, c := range []struct {
		name  string
		p     *Planner
		a     *archive
		print string
		ok    bool
	}{
		{"the table's", &Planner{}, &archive{suite: known}, "A", true},
		{"another one", &Planner{}, &archive{suite: known}, "B", false},
		{"a suite without keys in the table", &Planner{}, &archive{suite: aptmirror.Suite{Name: "sid"}}, "A", false},
		{"that, with given keys", &Planner{AnySigner: true}, &archive{suite: aptmirror.Suite{Name: "sid"}}, "A", true},
		{"a repository with its own keys", &Planner{}, &archive{pocket: aptmirror.Pocket{URI: "http://x"}}, "A", true},
	} {
		c.p.Now, c.a.pin.Suite = now, "x"
		waived, err := c.p.judge(c.a, signed(c.print))
		if (err == nil) != c.ok || c.ok && !slices.Equal(waived, []manifest.Waiver{manifest.WaivedSignatures}) {
			t.Errorf("%s: got %v, %v", c.name, waived, err)
		}
		if c.name == "a suite without keys in the table" && !errors.Is(err, aptmirror.ErrWeakSignature) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}
