package source

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// smallPack is a pack of a few objects with deltas, its commit and its tag.
func smallPack(t testing.TB) (pack []byte, commit, tag string) {
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
func resum(pack []byte) []byte {
	body := pack[:len(pack)-sha1.Size]
	sum := sha1.Sum(body)
	return append(slices.Clone(body), sum[:]...)
}

// TestCheckDamage changes and cuts a pack everywhere, with its sum mended: the
// names inside must give every change away.
func TestCheckDamage(t *testing.T) {
	pack, commit, tag := smallPack(t)
	if _, err := Check(iotest.OneByteReader(bytes.NewReader(pack)), commit, tag); err != nil {
		t.Fatal(err)
	}
	for i := range pack {
		for _, bit := range []byte{1, 0x10, 0x80} {
			bad := slices.Clone(pack)
			bad[i] ^= bit
			for _, b := range [][]byte{bad, resum(bad)} {
				if bytes.Equal(b, pack) {
					continue
				}
				if _, err := Check(bytes.NewReader(b), commit, tag); err == nil {
					if !sameObjects(t, pack, b) {
						t.Fatalf("byte %d of %d with bit %x was changed, and Check took it", i, len(pack), bit)
					}
				} else if !errors.Is(err, ErrPack) {
					t.Fatalf("byte %d: %v does not wrap ErrPack", i, err)
				}
			}
		}
		if _, err := Check(bytes.NewReader(pack[:i]), commit, tag); !errors.Is(err, ErrPack) {
			t.Fatalf("cut at byte %d: got %v", i, err)
		}
	}
	if _, err := Check(bytes.NewReader(append(slices.Clone(pack), 0)), commit, tag); !errors.Is(err, ErrPack) {
		t.Errorf("a trailing byte: got %v", err)
	}
	boom := errors.New("boom")
	if _, err := Check(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(pack))), commit, tag); !errors.Is(err, iotest.ErrTimeout) || errors.Is(err, ErrPack) {
		t.Errorf("a failing reader: got %v", err)
	}
	if _, err := Check(iotest.ErrReader(boom), commit, tag); !errors.Is(err, boom) {
		t.Errorf("a failing reader: got %v", err)
	}
}

// sameObjects tells whether git finds the same objects in two packs: a zlib
// stream can be written in several ways.
func sameObjects(t testing.TB, a, b []byte) bool {
	list := func(pack []byte) string {
		return unpack(t, pack).git("cat-file", "--batch-check", "--batch-all-objects")
	}
	return list(a) == list(b)
}

func TestCheckRoots(t *testing.T) {
	pack, commit, tag := smallPack(t)
	other := strings.Repeat("12", 20)
	for _, c := range [][2]string{{other, tag}, {commit, other}, {commit, ""}, {commit, commit}, {tag, ""}, {"", ""}, {commit[:39], ""}} {
		if _, err := Check(bytes.NewReader(pack), c[0], c[1]); err == nil {
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
	pack := func(ids ...string) []byte {
		cmd := exec.Command(need(t, "git"), "pack-objects", "-q", "--stdout", "--depth=0")
		cmd.Dir, cmd.Stdin = up.dir, strings.NewReader(strings.Join(ids, "\n")+"\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if c, err := Check(bytes.NewReader(pack(objects...)), commit, ""); err != nil || c.Objects != len(objects) {
		t.Errorf("git's own pack: %+v %v", c, err)
	}
	for i, id := range objects {
		rest := slices.Delete(slices.Clone(objects), i, i+1)
		if _, err := Check(bytes.NewReader(pack(rest...)), commit, ""); !errors.Is(err, ErrPack) {
			t.Errorf("without %s: got %v", id, err)
		}
		if _, err := Check(bytes.NewReader(pack(append(rest, stray)...)), commit, ""); !errors.Is(err, ErrPack) {
			t.Errorf("with another object in place of %s: got %v", id, err)
		}
	}
	for _, extra := range []string{stray} {
		_, err := Check(bytes.NewReader(pack(append(slices.Clone(objects), extra)...)), commit, "")
		if !errors.Is(err, ErrPack) || !strings.Contains(err.Error(), "does not belong") {
			t.Errorf("one object more: got %v", err)
		}
	}
	if _, err := Check(bytes.NewReader(pack(objects...)), first, ""); !errors.Is(err, ErrPack) {
		t.Errorf("an older commit: got %v", err)
	}
}

func TestTreeNames(t *testing.T) {
	tree := func(entries ...string) (b []byte) {
		for _, e := range entries {
			b = append(append(b, e...), 0)
			b = append(b, make([]byte, 20)...)
		}
		return b
	}
	for want, trees := range map[bool][][]byte{
		true: {nil, tree("100644 a"), tree("40000 a", "100644 b"), tree("100644 a-", "40000 a"), tree("100644 a.c", "40000 a", "100644 a0"), tree("040000 a")},
		false: {tree("100644 "), tree("100644 ."), tree("100644 .."), tree("100644 .git"), tree("40000 .GIT"), tree("100644 a/b"),
			tree("100644 b", "100644 a"), tree("100644 a", "100644 a"), tree("100644 a", "40000 a"), tree("40000 a", "100644 a-"),
			tree("100666 a"), tree("a"), []byte("100644 a"), tree("100644 a")[:20]},
	} {
		for _, b := range trees {
			if err := parseTree(b, func(treeEntry) error { return nil }); want != (err == nil) {
				t.Errorf("%q: got %v", b, err)
			}
		}
	}
}

// FuzzCheck checks that no pack makes Check fail in a bad way, and that what
// it takes is taken by git too.
func FuzzCheck(f *testing.F) {
	pack, commit, tag := smallPack(f)
	f.Add(pack)
	f.Add(pack[:len(pack)/2])
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > sha1.Size {
			b = resum(b)
		}
		if _, err := Check(bytes.NewReader(b), commit, tag); err == nil {
			if !sameObjects(t, pack, b) {
				t.Error("Check took other objects")
			}
		} else if !errors.Is(err, ErrPack) {
			t.Errorf("%v does not wrap ErrPack", err)
		}
	})
}

// FuzzDelta checks that a delta makes what it was made for.
func FuzzDelta(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	base := make([]byte, 3000)
	for i := range base {
		base[i] = byte(rng.IntN(256))
	}
	f.Add(base, append(slices.Clone(base[1000:]), base[:1500]...))
	f.Add(bytes.Repeat([]byte("a"), 70000), bytes.Repeat([]byte("a"), 140001))
	f.Add([]byte(""), []byte("abc"))
	f.Add([]byte("0123456789abcdef"), []byte("xx0123456789abcdefxx"))
	f.Fuzz(func(t *testing.T, base, target []byte) {
		d := newDeltaIndex(base).delta(nil, target, len(target)*2+64)
		if d == nil {
			t.Fatal("no delta")
		}
		got, err := applyDelta(nil, base, d)
		if err != nil || !bytes.Equal(got, target) {
			t.Fatalf("delta of %d bytes makes %d bytes, %v; want %d", len(d), len(got), err, len(target))
		}
		if again := newDeltaIndex(base).delta(nil, target, len(d)-1); again != nil && len(d) > 0 {
			t.Fatalf("a limit of %d gives %d bytes", len(d)-1, len(again))
		}
	})
}

// FuzzApply checks that no delta makes more than it may, or fails badly.
func FuzzApply(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("\x10\x04\x90\x04"))
	f.Fuzz(func(t *testing.T, base, d []byte) {
		if out, err := applyDelta(nil, base, d); err == nil && len(out) > deltaMax {
			t.Errorf("%d bytes", len(out))
		}
	})
}

// FuzzModules checks that what is taken from .gitmodules is safe to use.
func FuzzModules(f *testing.F) {
	f.Add("submodule.a.path\nsub\x00submodule.a.url\n../x\x00")
	f.Add("submodule.a.b.path\nsub\x00submodule.a.b.url\next::x\x00submodule.a.b.update\nnone\x00")
	f.Fuzz(func(t *testing.T, config string) {
		all, err := matchSubmodules(map[string]oid{"sub": {}}, config)
		if err != nil {
			return
		}
		for _, s := range all {
			if checkModule(s.name, s.path) != nil || s.url == "" || s.path != "sub" {
				t.Errorf("%+v", s)
			}
			url, err := relativeURL("https://example.org/a/b", s.url)
			if err == nil && checkURL(url, false) == nil && (strings.HasPrefix(url, "-") || strings.Contains(url, "\n")) {
				t.Errorf("URL %q", url)
			}
		}
	})
}
