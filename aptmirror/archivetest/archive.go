// Package archivetest makes signed Debian and Ubuntu archives for tests: dists
// and pool in a folder, as an archive's own tools lay them out, to be read
// there (file:) or served on loopback with faults planted in what is served.
//
//	a := archivetest.New(t)
//	a.Publish(t, archivetest.Suite{
//		Archive: "debian", Name: "bookworm",
//		Packages: []archivetest.Package{archivetest.Deb("base", "1.0", "Essential: yes\n")},
//	})
//	s := a.Serve(t) // s.URL + "/debian" is a mirror; a.Keyring(t) has its key
package archivetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Archive is a folder of archives, each below a path of its own, that one key
// signs unless a suite says otherwise.
type Archive struct {
	Dir string
	Key *Key
}

// New makes an empty folder and a key. The folder goes with the test.
func New(t testing.TB) *Archive {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // apt reads as a user of its own
		t.Fatal(err)
	}
	return &Archive{Dir: dir, Key: NewKey(t)}
}

// Keyring is the archive's public key, as gpg --export writes it.
func (a *Archive) Keyring(t testing.TB) []byte {
	t.Helper()
	return a.Key.Public(t)
}

// Write puts a file at a path below the folder.
func (a *Archive) Write(t testing.TB, path string, data []byte) {
	t.Helper()
	name := filepath.Join(a.Dir, filepath.FromSlash(path))
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		os.Remove(name) // what is served still reads the old one
		err = os.WriteFile(name, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Read returns the file at a path below the folder.
func (a *Archive) Read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(a.Dir, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// link puts a file that is there already at a path below the folder.
func (a *Archive) link(t testing.TB, path, file string) {
	t.Helper()
	name := filepath.Join(a.Dir, filepath.FromSlash(path))
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		os.Remove(name)
		err = os.Link(file, name)
	}
	if err == nil {
		return
	}
	data, err := os.ReadFile(file) // on another file system
	if err != nil {
		t.Fatal(err)
	}
	a.Write(t, path, data)
}
