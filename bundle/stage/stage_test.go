package stage

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestMain lets the test's program be one that is killed while it fills things.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SATCHEL_STAGE_VICTIM"); dir != "" {
		path, held, err := Folder(dir, ".result-")
		if err == nil {
			err = os.WriteFile(filepath.Join(path, "half"), []byte("x"), 0o600)
		}
		f, ferr := File(dir, ".bundle.", ".partial")
		fmt.Println(path, err, ferr)
		bufio.NewReader(os.Stdin).ReadString('\n')
		held.Close()
		f.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// What a killed program left goes with the next; what a living one fills stays,
// and so does everything of another name or kind.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	strangers := []string{".result-", ".result-12x", ".bundle.7.partial.bak", ".bundle..partial", ".bundle.8.partial/x", "result-1"}
	for _, s := range strangers {
		if err := os.MkdirAll(filepath.Join(dir, s), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".result-5"), nil, 0o600); err != nil { // a file, not a folder
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, ".result-6")); err != nil {
		t.Fatal(err)
	}
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), "SATCHEL_STAGE_VICTIM="+dir)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := victim.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasSuffix(line, "<nil> <nil>\n") {
		t.Fatalf("%q, %v", line, err)
	}
	theirs := strings.Fields(line)[0]
	count := func() (folders, files int) {
		a, _ := filepath.Glob(filepath.Join(dir, ".result-*"))
		b, _ := filepath.Glob(filepath.Join(dir, ".bundle.*.partial"))
		return len(a), len(b)
	}
	make := func() {
		t.Helper()
		path, held, err := Folder(dir, ".result-")
		if err != nil {
			t.Fatal(err)
		}
		f, err := File(dir, ".bundle.", ".partial")
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(path)
		os.Remove(f.Name())
		held.Close()
		f.Close()
	}
	before, beforeFiles := count()
	make()
	if _, err := os.Stat(filepath.Join(theirs, "half")); err != nil {
		t.Fatalf("what a living program fills was removed: %v", err)
	}
	if a, b := count(); a != before || b != beforeFiles {
		t.Errorf("%d folders and %d files, want %d and %d", a, b, before, beforeFiles)
	}
	victim.Process.Kill()
	victim.Wait()
	make()
	if a, b := count(); a != before-1 || b != beforeFiles-1 {
		t.Errorf("after the kill: %d folders and %d files, want %d and %d", a, b, before-1, beforeFiles-1)
	}
	for _, s := range []string{".result-", ".result-12x", ".result-5", ".result-6", ".bundle.7.partial.bak", ".bundle.8.partial/x", "result-1"} {
		if _, err := os.Lstat(filepath.Join(dir, s)); err != nil {
			t.Errorf("%s, which is not ours, is gone", s)
		}
	}
}

// Many at once never take each other's.
func TestRace(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 30 {
				path, held, err := Folder(dir, ".result-")
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(path, "mine"), nil, 0o600); err != nil {
					t.Error(err)
				}
				os.RemoveAll(path)
				held.Close()
			}
		})
	}
	wg.Wait()
}
