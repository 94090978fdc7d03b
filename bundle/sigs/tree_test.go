package sigs

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"satchel/manifest"
	"satchel/manifest/compare"
)

// compareTree compares a whole tree.
func compareTree(t testing.TB, r Reader, top string) []*compare.Report {
	t.Helper()
	sets, err := List(r.FS, top)
	if err != nil {
		t.Fatal(err)
	}
	var all []*compare.Report
	if err := r.Compare(t.Context(), sets, 2, func(r *compare.Report) error { all = append(all, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCorpusReleases: what compare says of each real release.
func TestCorpusReleases(t *testing.T) {
	keys := corpusKeys(t)
	root, err := os.OpenRoot(filepath.Join(corpusDir(), "asserts"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	start := time.Now()
	all := compareTree(t, Reader{FS: root.FS(), Keys: keys, Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}, "asserts")
	t.Logf("%v for all three", time.Since(start))
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprintf("%s %s: %s, %d vouch", r.Release, r.Name, r.Text, r.Vouching))
	}
	want := []string{
		"0.17.1-osx-signed bitcoin-dmg-signer: all 10 agree, 5 vouch",
		"0.20.1-linux bitcoin-core-linux-0.20: 18 of 19 agree; cisba has other outputs, 10 vouch",
		"0.9.3-win bitcoin: all 6 agree, though midnightmagic took other inputs, 1 vouch",
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	status := map[string]compare.Status{}
	for _, b := range all[1].Builders {
		status[b.Signer] = b.Signature.Status
	}
	for who, want := range map[string]compare.Status{"achow101": compare.Good, "emzy": compare.Old, "darosior": compare.Old, "luke-jr": compare.UnknownKey, "cisba": compare.UnknownKey} {
		if status[who] != want {
			t.Errorf("%s: got %s, want %s", who, status[who], want)
		}
	}
	w := all[1].Camps[1].Why
	if w.Cause != compare.OtherPackages || w.Packages[0].Name != "libc6" || w.Packages[0].Theirs[0].Version != "2.27-3ubuntu1.4" || !w.Packages[0].Steady {
		t.Errorf("got %s, %+v", w.Cause, w.Packages[0])
	}
	if in := all[2].Inputs; len(in) != 2 || len(in[0].Signers) != 5 || len(in[1].Differs) != 8 {
		t.Errorf("0.9.3-win has two camps of inputs, got %+v", in)
	}
}

// TestTree: releases, signers and names come from the path, however deep the
// tree's top is.
func TestTree(t *testing.T) {
	f := tree{}
	f.put("1.0-linux", "alice", assert(t, "1.0-linux", "x"), []byte("sig"))
	f.put("1.0-linux", "bob", assert(t, "1.0-linux", "x"), nil)
	f.put("1.0-win", "alice", assert(t, "1.0-win", "x"), nil)
	f[".git/x/p-build.assert"] = &fstest.MapFile{}
	f["README.md"] = &fstest.MapFile{}
	f["1.1/carol/all.SHA256SUMS"] = &fstest.MapFile{}
	f["1.1/carol/all.SHA256SUMS.asc"] = &fstest.MapFile{}
	f["1.1/carol/noncodesigned.SHA256SUMS"] = &fstest.MapFile{}
	sets, err := List(f.fs(), "gitian.sigs")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sets {
		for _, e := range s.Entries {
			got = append(got, fmt.Sprintf("%s|%s|%s|%s", s.Release, s.Name, e.Signer, e.Sig))
		}
	}
	want := []string{"1.0-linux|p|alice|1.0-linux/alice/p-build.assert.sig", "1.0-linux|p|bob|", "1.0-win|p|alice|",
		"1.1|all (sums)|carol|1.1/carol/all.SHA256SUMS.asc", "1.1|noncodesigned (sums)|carol|"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, tt := range []struct{ dir, want string }{{"1.0-linux", "1.0-linux alice"}, {"1.0-linux/alice", " alice"}} {
		sub, err := fs.Sub(f.fs(), tt.dir)
		if err != nil {
			t.Fatal(err)
		}
		sets, err := List(sub, filepath.Base(tt.dir))
		if err != nil || sets[0].Release+" "+sets[0].Entries[0].Signer != tt.want {
			t.Errorf("%s: got %+v, %v, want %s", tt.dir, sets, err, tt.want)
		}
	}
}

// TestHostileTree: what a tree of other people may hold, and what becomes of it.
func TestHostileTree(t *testing.T) {
	alice, bob, mallory := newKey(t, "alice", 0), newKey(t, "bob", 0), newKey(t, "mallory", 0)
	keys := keysOf(t, alice, bob)
	when := born.AddDate(1, 0, 0)
	good, evil := assert(t, "1.0", "x"), assert(t, "1.0", "evil")
	f := tree{}
	f.put("1.0", "alice", good, signed(t, alice, good, when, crypto.SHA256))
	f.put("1.0", "bob", evil, signed(t, bob, good, when, crypto.SHA256)) // his signature, of another file
	f.put("1.0", "Alice", good, signed(t, alice, good, when, crypto.SHA256))
	f.put("1.0", "mallory", evil, signed(t, mallory, evil, when, crypto.SHA256))
	f.put("1.0", "webpage", []byte("<!DOCTYPE html><html>"), nil)
	f.put("1.0", "bomb", []byte("a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nout_manifest: *b\n"), nil)
	f.put("1.0", "huge", append([]byte("--- !!omap\n# "), bytes.Repeat([]byte("x"), 100<<20)...), nil)
	f.put("1.0", "hugesig", good, bytes.Repeat([]byte{0x88}, 2<<20))
	f["1.0/link/p-build.assert"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("/etc/passwd")}
	old := assert(t, "0.9", "x") // an honest assert of the release before
	f.put("1.0", "zreplayed", old, signed(t, bob, old, when, crypto.SHA256))

	r := compareTree(t, Reader{FS: f.fs(), Keys: keys, Now: now}, "t")[0]
	got := map[string]string{}
	for _, b := range r.Builders {
		got[b.Signer] = fmt.Sprintf("%s %s %s", b.Camp, b.Signature.Status, b.Problem)
	}
	for who, want := range map[string]string{
		"alice": `A good its name differs from "Alice"`, "Alice": "A good", "bob": " bad", "mallory": "B unknown key", "webpage": " missing 1.0/webpage/p-build.assert:1: it is a web page",
		"bomb": " missing 1.0/bomb/p-build.assert:", "huge": "  reading 1.0/huge/p-build.assert: it has", "hugesig": "A unusable", "link": "  it is no regular file", "zreplayed": "A misplaced",
	} {
		if !strings.HasPrefix(got[who], want) {
			t.Errorf("%s: got %q, want %q", who, got[who], want)
		}
	}
	if r.Vouching != 1 || r.Answer != compare.Differ {
		t.Errorf("got %d vouching, %s: alice alone vouches, however she is spelled", r.Vouching, r.Answer)
	}
}

// TestMisplacedName: an assert of one build under another's name does not count.
func TestMisplacedName(t *testing.T) {
	alice := newKey(t, "alice", 0)
	doc := assert(t, "1.0", "x")
	sig := signed(t, alice, doc, born.AddDate(1, 0, 0), crypto.SHA256)
	f := tree{"1.0/alice/q-build.assert": {Data: doc}, "1.0/alice/q-build.assert.sig": {Data: sig}}
	r := compareTree(t, Reader{FS: f.fs(), Keys: keysOf(t, alice), Now: now}, "t")[0]
	if b := r.Builders[0]; r.Name != "q" || b.Signature.Status != compare.Misplaced || r.Vouching != 0 {
		t.Errorf("got %+v", b)
	}
}

// TestLinks: a tree on disk reaches nothing outside of it.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, assert(t, "1.0", "x"), 0o600); err != nil {
		t.Fatal(err)
	}
	top := filepath.Join(dir, "tree")
	if err := os.MkdirAll(filepath.Join(top, "1.0", "alice"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("../../../secret", filepath.Join(top, "1.0", "alice", "p-build.assert")), os.Symlink(dir, filepath.Join(top, "1.0", "mallory"))); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r := compareTree(t, Reader{FS: root.FS(), Now: now}, "tree")
	if len(r) != 1 || len(r[0].Builders) != 1 || r[0].Builders[0].Problem == "" || r[0].Answer != compare.Alone {
		t.Errorf("got %+v", r[0].Builders)
	}
}

// TestCompareStops: a caller that has enough, or is interrupted, ends it.
func TestCompareStops(t *testing.T) {
	f := tree{}
	for i := range 50 {
		f.put(fmt.Sprintf("%03d", i), "alice", assert(t, "1", "x"), nil)
	}
	sets, err := List(f.fs(), "t")
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	n := 0
	err = Reader{FS: f.fs(), Now: now}.Compare(t.Context(), sets, 2, func(*compare.Report) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 3 {
		t.Errorf("got %v after %d", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Reader{FS: f.fs(), Now: now}).Compare(ctx, sets, 2, func(*compare.Report) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestOrderOfReports: reports come in the order of sets, whoever is ready first.
func TestOrderOfReports(t *testing.T) {
	f := tree{}
	for i := range 200 {
		f.put(fmt.Sprintf("%03d", i), "alice", assert(t, "1", "x"), nil)
	}
	for i, r := range compareTree(t, Reader{FS: f.fs(), Now: now}, "t") {
		if r.Release != fmt.Sprintf("%03d", i) {
			t.Fatalf("report %d is of %s", i, r.Release)
		}
	}
}

// bigTree is a tree like the real one: so many sets of so many asserts, each
// with some 300 packages, all signed.
func bigTree(t testing.TB, setCount, each int) (fs.FS, *Keys) {
	t.Helper()
	var files []KeyFile
	var signers []func([]byte) []byte
	for i := range each {
		e := newKey(t, fmt.Sprintf("builder%d", i), 0)
		files = append(files, KeyFile{fmt.Sprintf("builder%d.gpg", i), fmt.Sprintf("builder%d", i), public(t, e)})
		signers = append(signers, func(doc []byte) []byte { return signed(t, e, doc, born.AddDate(1, 0, 0), crypto.SHA512) })
	}
	keys, err := ReadKeys(files)
	if err != nil {
		t.Fatal(err)
	}
	f := tree{}
	for i := range setCount {
		release := fmt.Sprintf("0.%d-linux", i)
		for k := range each {
			r := &manifest.Result{Name: "p", Release: release, Type: "build", In: manifest.Inputs{Descriptor: manifest.FileSum{SHA256: manifest.Sum([]byte("d")), Path: "p-desc.yml"}}}
			for o := range 12 {
				r.Out = append(r.Out, manifest.FileSum{SHA256: manifest.Sum(fmt.Append(nil, i, o, k == 3 && i%7 == 0)), Path: fmt.Sprintf("p-%d.tar.gz", o)})
			}
			base := manifest.BaseManifest{Target: "bionic-amd64"}
			for p := range 300 {
				version := fmt.Sprintf("%d.%d-1ubuntu%d", p%7, i%9, (k*p)%3)
				base.Sums = append(base.Sums, manifest.FileSum{SHA256: manifest.Sum(fmt.Append(nil, p, version)), Path: manifest.DebName(fmt.Sprintf("package-%d", p), version, "amd64")})
			}
			r.Base = []manifest.BaseManifest{base}
			doc, err := r.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			f.put(release, fmt.Sprintf("builder%d", k), doc, signers[k](doc))
		}
	}
	return f.fs(), keys
}

// BenchmarkTree compares trees with all their signatures: 20 asserts, and, under
// SATCHEL_FULL, 660 sets of 9.
func BenchmarkTree(b *testing.B) {
	for _, size := range []struct{ sets, each int }{{1, 20}, {660, 9}} {
		b.Run(fmt.Sprintf("%dx%d", size.sets, size.each), func(b *testing.B) {
			if size.sets > 1 && os.Getenv("SATCHEL_FULL") != "1" {
				b.Skip("6,000 asserts are generated and compared only with SATCHEL_FULL=1")
			}
			tree, keys := bigTree(b, size.sets, size.each)
			for b.Loop() {
				for _, r := range compareTree(b, Reader{FS: tree, Keys: keys, Now: now}, "t") {
					if r.Vouching < size.each-1 {
						b.Fatalf("%s: %s", r.Release, r.Text)
					}
				}
			}
		})
	}
}

// TestSpeed: a set of 20 asserts, with signatures, in half a second.
func TestSpeed(t *testing.T) {
	tree, keys := bigTree(t, 1, 20)
	best := time.Hour
	for range 5 {
		start := time.Now()
		compareTree(t, Reader{FS: tree, Keys: keys, Now: now}, "t")
		best = min(best, time.Since(start))
	}
	if best > time.Second/2 {
		t.Errorf("20 asserts took %v, want half a second at most", best)
	}
}

// FuzzTree reads and compares a tree of two with anything for one's assert and
// signature: it never counts, and the other stays what it is.
func FuzzTree(f *testing.F) {
	alice := newKey(f, "alice", 0)
	doc := assert(f, "1.0", "x")
	sig := signed(f, alice, doc, born.AddDate(1, 0, 0), crypto.SHA256)
	keys := keysOf(f, alice)
	f.Add(doc, sig)
	f.Add(assert(f, "1.0", "y"), sig)
	f.Add([]byte("<html>"), []byte("-----BEGIN PGP SIGNATURE-----\n\n"))
	f.Add(doc, []byte("-----BEGIN SSH SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, other, otherSig []byte) {
		tr := tree{}
		tr.put("1.0", "alice", doc, sig)
		tr.put("1.0", "bob", other, otherSig)
		r := compareTree(t, Reader{FS: tr.fs(), Keys: keys, Now: now}, "t")[0]
		for _, b := range r.Builders {
			if b.Signature.Status.Counts() && !bytes.Equal(tr["1.0/"+b.Signer+"/p-build.assert"].Data, doc) {
				t.Fatalf("a signature that nobody made counts: %+v", b)
			}
		}
		if r.Vouching != 1 || r.Builders[0].Camp != "A" {
			t.Fatalf("got %+v", r)
		}
		var page bytes.Buffer
		if err := compare.Page(&page, []*compare.Report{r}); err != nil {
			t.Fatal(err)
		}
	})
}
