package source

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"satchel/bundle/source/pack"
)

// smallPack is a pack of a few objects with deltas, its commit and its tag.
func smallPack(t testing.TB) (whole []byte, commit, tag string) {
	t.Helper()
	up := newRepo(t)
	text := strings.Repeat("one line\nanother line of text\n", 20)
	up.commit("a/file", text)
	up.commit("a/file", text+"more\n")
	up.git("tag", "-a", "-m", "one", "v1")
	pin, store := lockOf(t, up, "v1", options(t))
	return store.blobs[pin.Pack.SHA256], pin.Commit, pin.Tag
}

// resum puts the right sum at the end of a changed pack.
func resum(whole []byte) []byte {
	body := whole[:len(whole)-sha1.Size]
	sum := sha1.Sum(body)
	return append(slices.Clone(body), sum[:]...)
}

// TestCheckDamage changes and cuts a pack everywhere, with its sum mended: the
// names inside must give every change away.
func TestCheckDamage(t *testing.T) {
	whole, commit, tag := smallPack(t)
	if _, err := pack.Check(iotest.OneByteReader(bytes.NewReader(whole)), commit, tag); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for _, bit := range []byte{1, 0x10, 0x80} {
			bad := slices.Clone(whole)
			bad[i] ^= bit
			for _, b := range [][]byte{bad, resum(bad)} {
				if bytes.Equal(b, whole) {
					continue
				}
				if _, err := pack.Check(bytes.NewReader(b), commit, tag); err == nil {
					if !sameObjects(t, whole, b) {
						t.Fatalf("byte %d of %d with bit %x was changed, and Check took it", i, len(whole), bit)
					}
				} else if !errors.Is(err, pack.ErrUnsound) {
					t.Fatalf("byte %d: %v does not wrap ErrUnsound", i, err)
				}
			}
		}
		if _, err := pack.Check(bytes.NewReader(whole[:i]), commit, tag); !errors.Is(err, pack.ErrUnsound) {
			t.Fatalf("cut at byte %d: got %v", i, err)
		}
	}
	if _, err := pack.Check(bytes.NewReader(append(slices.Clone(whole), 0)), commit, tag); !errors.Is(err, pack.ErrUnsound) {
		t.Errorf("a trailing byte: got %v", err)
	}
	boom := errors.New("boom")
	if _, err := pack.Check(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(whole))), commit, tag); !errors.Is(err, iotest.ErrTimeout) || errors.Is(err, pack.ErrUnsound) {
		t.Errorf("a failing reader: got %v", err)
	}
	if _, err := pack.Check(iotest.ErrReader(boom), commit, tag); !errors.Is(err, boom) {
		t.Errorf("a failing reader: got %v", err)
	}
}

// sameObjects tells whether git finds the same objects in two packs: a zlib
// stream can be written in several ways.
func sameObjects(t testing.TB, a, b []byte) bool {
	list := func(whole []byte) string {
		return unpack(t, whole).git("cat-file", "--batch-check", "--batch-all-objects")
	}
	return list(a) == list(b)
}

func TestCheckRoots(t *testing.T) {
	whole, commit, tag := smallPack(t)
	other := strings.Repeat("12", 20)
	for _, c := range [][2]string{{other, tag}, {commit, other}, {commit, ""}, {commit, commit}, {tag, ""}, {"", ""}, {commit[:39], ""}} {
		if _, err := pack.Check(bytes.NewReader(whole), c[0], c[1]); err == nil {
			t.Errorf("commit %q, tag %q were taken", c[0], c[1])
		}
	}
}

// TestCheckOthers gives Check packs that git made: what it takes must be
// sound, and what is missing or extra must be noticed.
func TestCheckOthers(t *testing.T) {
	up := newRepo(t)
	first := up.commit("a/file", "one\n")
	commit := up.commit("a/other", "two\n")
	stray := up.feed([]byte("stray"), "hash-object", "-w", "--stdin")
	objects := strings.Fields(up.git("rev-list", "--objects", "--no-object-names", "HEAD"))
	whole := func(ids ...string) []byte {
		cmd := exec.Command(need(t, "git"), "pack-objects", "-q", "--stdout", "--depth=0")
		cmd.Dir, cmd.Stdin = up.dir, strings.NewReader(strings.Join(ids, "\n")+"\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if c, err := pack.Check(bytes.NewReader(whole(objects...)), commit, ""); err != nil || c.Objects != len(objects) {
		t.Errorf("git's own pack: %+v %v", c, err)
	}
	for i, id := range objects {
		rest := slices.Delete(slices.Clone(objects), i, i+1)
		if _, err := pack.Check(bytes.NewReader(whole(rest...)), commit, ""); !errors.Is(err, pack.ErrUnsound) {
			t.Errorf("without %s: got %v", id, err)
		}
		if _, err := pack.Check(bytes.NewReader(whole(append(rest, stray)...)), commit, ""); !errors.Is(err, pack.ErrUnsound) {
			t.Errorf("with another object in place of %s: got %v", id, err)
		}
	}
	for _, extra := range []string{stray} {
		_, err := pack.Check(bytes.NewReader(whole(append(slices.Clone(objects), extra)...)), commit, "")
		if !errors.Is(err, pack.ErrUnsound) || !strings.Contains(err.Error(), "does not belong") {
			t.Errorf("one object more: got %v", err)
		}
	}
	if _, err := pack.Check(bytes.NewReader(whole(objects...)), first, ""); !errors.Is(err, pack.ErrUnsound) {
		t.Errorf("an older commit: got %v", err)
	}
}

// FuzzCheck checks that no pack makes Check fail in a bad way, and that what
// it takes is taken by git too.
func FuzzCheck(f *testing.F) {
	whole, commit, tag := smallPack(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > sha1.Size {
			b = resum(b)
		}
		if _, err := pack.Check(bytes.NewReader(b), commit, tag); err == nil {
			if !sameObjects(t, whole, b) {
				t.Error("Check took other objects")
			}
		} else if !errors.Is(err, pack.ErrUnsound) {
			t.Errorf("%v does not wrap ErrUnsound", err)
		}
	})
}
