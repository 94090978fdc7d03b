package sigs

import (
	"bytes"
	"crypto"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"satchel/manifest"
)

// now is the time of the tests; born is when their keys are made.
var (
	now  = time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)
	born = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
)

// at is a configuration whose clock stands still.
func at(when time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return when }, Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA512}
}

// newKey makes a key that lives so many days; 0: for ever.
func newKey(t testing.TB, name string, days int) *openpgp.Entity {
	t.Helper()
	c := at(born)
	c.KeyLifetimeSecs = uint32(days) * 86400
	e, err := openpgp.NewEntity(name, "", name+"@example.org", c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func public(t testing.TB, key *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := key.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// signed is a detached signature over doc.
func signed(t testing.TB, key *openpgp.Entity, doc []byte, when time.Time, hash crypto.Hash) []byte {
	t.Helper()
	sig := &packet.Signature{Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: key.PrivateKey.PubKeyAlgo, Hash: hash,
		CreationTime: when, IssuerKeyId: &key.PrivateKey.KeyId, IssuerFingerprint: key.PrivateKey.Fingerprint}
	h, err := sig.PrepareSign(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(doc)
	no := false
	if err := sig.Sign(h, key.PrivateKey, &packet.Config{NonDeterministicSignaturesViaNotation: &no}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// assert is an assert of a small build; what is its one output's content.
func assert(t testing.TB, release, what string) []byte {
	t.Helper()
	sum := func(path, content string) manifest.FileSum {
		return manifest.FileSum{SHA256: manifest.Sum([]byte(content)), Path: path}
	}
	r := &manifest.Result{Name: "p", Release: release, Type: "build", Out: []manifest.FileSum{sum("p.tar.gz", what)},
		In:   manifest.Inputs{Descriptor: sum("p-desc.yml", "d"), Git: []manifest.GitCommit{{Commit: strings.Repeat("a", 40), Dir: "p"}}},
		Base: []manifest.BaseManifest{{Target: "bionic-amd64", Sums: []manifest.FileSum{sum("gcc_1_amd64.deb", "gcc"), sum("tar_1_amd64.deb", "tar")}}}}
	data, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// tree is a file system of a gitian.sigs tree under way.
type tree fstest.MapFS

func (f tree) put(release, signer string, doc, sig []byte) {
	dir := release + "/" + signer + "/p-build.assert"
	f[dir] = &fstest.MapFile{Data: doc}
	if sig != nil {
		f[dir+".sig"] = &fstest.MapFile{Data: sig}
	}
}

func (f tree) fs() fs.FS { return fstest.MapFS(f) }

// keysOf are the keys of entities, each its owner's.
func keysOf(t testing.TB, all ...*openpgp.Entity) *Keys {
	t.Helper()
	var files []KeyFile
	for _, e := range all {
		for _, id := range e.Identities {
			files = append(files, KeyFile{Name: id.UserId.Name + ".gpg", Owner: id.UserId.Name, Data: public(t, e)})
		}
	}
	k, err := ReadKeys(files)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// corpusDir is where the real asserts and keys are; "" if they are not at hand.
func corpusDir() string {
	dir := os.Getenv("SATCHEL_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// corpusKeys are the real builders' keys.
func corpusKeys(t testing.TB) *Keys {
	t.Helper()
	if corpusDir() == "" {
		t.Skip("the corpus of real documents is not beside this checkout")
	}
	names, err := filepath.Glob(filepath.Join(corpusDir(), "builder-keys", "*.gpg"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d key files, %v", len(names), err)
	}
	var files []KeyFile
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, KeyFile{name, OwnerOf(name), data})
	}
	k, err := ReadKeys(files)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
