package manifest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// corpusDir is the corpus of real documents: $SATCHEL_CORPUS, or what lies beside
// the checkout; "" where it is not at hand. None of it is part of the project.
func corpusDir() string {
	dir := os.Getenv("SATCHEL_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// corpus returns files of the corpus by name, and skips without it.
func corpus(t *testing.T, kind, pattern string) map[string][]byte {
	t.Helper()
	top := corpusDir()
	if top == "" {
		t.Skip("the corpus of real documents is not beside this checkout; SATCHEL_CORPUS may say where it is")
	}
	names, err := filepath.Glob(filepath.Join(top, kind, pattern))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(filepath.Join(top, kind), name)
		if err != nil {
			t.Fatal(err)
		}
		all[rel] = data
	}
	if len(all) == 0 {
		t.Fatalf("no %s in %s", kind, top)
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
