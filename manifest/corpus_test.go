package manifest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// corpus returns files of the corpus of real documents: the few kept in
// testdata, and all of them where the whole corpus is at hand.
func corpus(t *testing.T, kind, pattern string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	top := os.Getenv("SATCHEL_CORPUS")
	if top == "" {
		top = "/work/shared/corpus"
	}
	for _, glob := range []string{filepath.Join("testdata", kind, filepath.Base(pattern)), filepath.Join(top, kind, pattern)} {
		names, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if rel, err := filepath.Rel(filepath.Join(top, kind), name); err == nil && filepath.IsLocal(rel) {
				name = rel
			}
			all[name] = data
		}
	}
	if len(all) == 0 {
		t.Fatalf("no %s in testdata", kind)
	}
	return all
}

// needTool skips a test whose reference tool is missing; where SATCHEL_CI is 1
// it has to be there.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatalf("%s is not installed, and SATCHEL_CI=1 allows no skip", name)
		}
		t.Skipf("%s, the reference, is not installed", name)
	}
	return path
}
