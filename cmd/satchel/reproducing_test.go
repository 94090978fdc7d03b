package main

import (
	"strings"
	"testing"

	"satchel/aptmirror/archivetest"
)

// TestFromOldReleases: a build of a suite that is closed is asked for again. What its
// assert lists and no index does any more is found in the pool of the keeper of old
// suites, which is asked before the main host.
func TestFromOldReleases(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	publish := func(version string) {
		for _, pocket := range []string{"", "-updates", "-security"} {
			s := archivetest.Suite{Archive: "old-releases.ubuntu.com/ubuntu", Name: "lucid" + pocket, Codename: "lucid", Origin: "Ubuntu", Version: "10.04", Components: []string{"main", "universe"}}
			if pocket == "" {
				s.Packages = []archivetest.Package{archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", version, "")}
			}
			n.Publish(t, s)
		}
	}
	publish("1")
	n.write(t, "tool.yml", []byte(strings.NewReplacer("'", `"`, "debian", "ubuntu", "bookworm", "lucid").Replace(toolDescriptor)))
	n.satchel(t, 0, "lock", "tool.yml", "-o", "first.lock")
	text, err := assertOf([]byte(n.read(t, "first.lock")), "1.0-linux", "1")
	if err != nil {
		t.Fatal(err)
	}
	n.write(t, "tool-build.assert", text)
	publish("2")
	n.freshCache(t)
	n.requests("")
	story := n.satchel(t, 0, "lock", "tool.yml", "-o", "again.lock", "--from-assert", "tool-build.assert")
	if want := "2 packages of the assert; the archives list 1 of them, the assert alone vouches for 1"; !strings.Contains(story, want) {
		t.Errorf("it does not tell %q:\n%s", want, story)
	}
	wantLines(t, "asked for tool", n.requests(`tool_1_`), `
		old-releases.ubuntu.com/ubuntu/pool/main/t/tool/tool_1_amd64.deb
		old-releases.ubuntu.com/ubuntu/pool/main/t/tool/tool_1_amd64.deb`) // how long it is, and it
	if lock := n.read(t, "again.lock"); strings.Count(lock, "vouched: assert") != 1 || !strings.Contains(lock, `version: "1"`) || strings.Contains(lock, `version: "2"`) {
		t.Errorf("got\n%s", lock)
	}
	n.satchel(t, 0, "gather", "--lock", "again.lock", "-o", "again.satchel")
	n.satchel(t, 0, "verify", "--unsigned", "again.satchel")
}
