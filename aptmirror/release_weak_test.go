package aptmirror

import (
	"crypto/md5"
	"crypto/sha1"
	"errors"
	"fmt"
	"strings"
	"testing"

	"satchel/aptmirror/deb/debtest"
	"satchel/manifest"
)

// TestWeakRelease: a Release without SHA-256 lists nothing, until somebody who
// allows it brings bytes that match every hash that there is.
func TestWeakRelease(t *testing.T) {
	const plain = "Package: a\n"
	packed := string(debtest.Compress(".gz", []byte(plain)))
	line := func(list, path, data string) string {
		sum := fmt.Sprintf("%x", sha1.Sum([]byte(data)))
		if list == "MD5Sum" {
			sum = fmt.Sprintf("%x", md5.Sum([]byte(data)))
		}
		return fmt.Sprintf(" %s %d %s\n", sum, len(data), path)
	}
	const index = "main/binary-amd64/Packages"
	head := "Codename: x\nDate: Wed, 01 Jan 2020 00:00:00 UTC\n"
	parse := func(text string) *WeakReleaseError {
		t.Helper()
		r, err := ParseRelease("Release", []byte(head+text))
		var weak *WeakReleaseError
		if r != nil || !errors.As(err, &weak) || !errors.Is(err, ErrWeakRelease) {
			t.Fatalf("got %v, %v", r, err)
		}
		return weak
	}
	both := "MD5Sum:\n" + line("MD5Sum", index, plain) + line("MD5Sum", index+".gz", packed) +
		"SHA1:\n" + line("SHA1", index, plain) + line("SHA1", index+".gz", packed)
	weak := parse(both)
	if _, _, ok := weak.Release.Index("main", "amd64"); ok {
		t.Error("a weak Release lists an index")
	}
	path, size, ok := weak.Index("main", "amd64")
	if !ok || path != index+".gz" || size != int64(len(packed)) {
		t.Errorf("got %s, %d, %v", path, size, ok)
	}
	other := []byte(packed)
	other[len(other)-1] ^= 1
	for name, data := range map[string][]byte{"other bytes": other, "too few": other[1:], "none": nil} {
		if err := weak.Strengthen(path, data); !errors.Is(err, manifest.ErrDigest) || len(weak.Release.Files) > 0 {
			t.Errorf("%s: got %v, %v", name, err, weak.Release.Files)
		}
	}
	if err := weak.Strengthen("main/binary-i386/Packages.gz", []byte(packed)); err == nil {
		t.Error("an index that is not listed passes")
	}
	if err := weak.Strengthen(path, []byte(packed)); err != nil {
		t.Error(err)
	}
	if b, ok := weak.Release.Plain(path); !ok || b != blobOf([]byte(plain)) {
		t.Errorf("its plain form: got %v, %v", b, ok)
	}
	if got, b, ok := weak.Release.Index("main", "amd64"); !ok || got != path || b != blobOf([]byte(packed)) {
		t.Errorf("got %s, %v, %v", got, b, ok)
	}

	// One list is enough, and either must be right.
	if err := parse("MD5Sum:\n"+line("MD5Sum", index, plain)).Strengthen(index, []byte(plain)); err != nil {
		t.Error(err)
	}
	if err := parse("MD5Sum:\n"+line("MD5Sum", index, plain)+"SHA1:\n"+line("SHA1", index, "Package: b\n")).Strengthen(index, []byte(plain)); err == nil {
		t.Error("a wrong SHA-1 beside a right MD5 passes")
	}
	// What decodes to something else, or to more, is not taken.
	bomb := string(debtest.Compress(".gz", make([]byte, 1<<20)))
	if err := parse("SHA1:\n"+line("SHA1", index, plain)+line("SHA1", index+".gz", bomb)).Strengthen(index+".gz", []byte(bomb)); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("a bomb: got %v", err)
	}

	for name, text := range map[string]string{
		"short hash": "SHA1:\n abcd 1 x\n", "no size": "SHA1:\n" + strings.Repeat("a", 40) + " x\n",
		"leads out": "SHA1:\n " + strings.Repeat("a", 40) + " 1 ../x\n",
		"two sizes": "MD5Sum:\n " + strings.Repeat("a", 32) + " 1 x\nSHA1:\n " + strings.Repeat("a", 40) + " 2 x\n",
		"two sums":  "SHA1:\n " + strings.Repeat("a", 40) + " 1 x\n " + strings.Repeat("b", 40) + " 1 x\n",
		"a second":  both + "\nA: b\n", "empty": "SHA1:\n",
	} {
		r, err := ParseRelease("Release", []byte(head+text))
		if r != nil || err == nil || errors.As(err, new(*WeakReleaseError)) {
			t.Errorf("%s: got %v, %v", name, r, err)
		}
	}
}
