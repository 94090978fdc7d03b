package bundle

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"satchel/aptmirror/archivetest"
	"satchel/manifest"
)

// memory is a Source and a Keeper.
type memory map[manifest.Digest][]byte

func (m memory) add(b []byte) manifest.Blob {
	m[manifest.Sum(b)] = b
	return manifest.Blob{SHA256: manifest.Sum(b), Size: int64(len(b))}
}

func (m memory) Open(b manifest.Blob) (io.ReadCloser, error) {
	c, ok := m[b.SHA256]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(c)), nil
}

func (m memory) Put(_ context.Context, b manifest.Blob, r io.Reader) error {
	c, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m[b.SHA256] = c
	return nil
}

// archive is a Debian archive of one suite, signed by a key of its own.
type archive struct {
	key  *archivetest.Key
	debs []fakeDeb
	date time.Time
	more []byte // further stanzas of the index
}

type fakeDeb struct{ name, version, arch, content string }

func (d fakeDeb) path() string {
	return fmt.Sprintf("pool/main/%c/%s/%s_%s_%s.deb", d.name[0], d.name, d.name, d.version, d.arch)
}

func newArchive(t testing.TB) *archive {
	t.Helper()
	date := time.Date(2024, 5, 4, 3, 2, 1, 0, time.UTC)
	return &archive{key: archivetest.NewKey(t), date: date, debs: []fakeDeb{
		{"base-files", "12.4", "amd64", "the base-files package"},
		{"bash", "5.2-2", "amd64", "the bash package"},
		{"tzdata", "2024a", "all", strings.Repeat("time zones ", 200)},
		{"zlib1g", "1:1.2.13", "amd64", ""},
	}}
}

func (a *archive) packages() []byte {
	var b strings.Builder
	for _, d := range a.debs {
		fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\nFilename: %s\nSize: %d\nSHA256: %s\n\n",
			d.name, d.version, d.arch, d.path(), len(d.body()), manifest.Sum(d.body()).Hex())
	}
	return append([]byte(b.String()), a.more...)
}

func (d fakeDeb) body() []byte { return []byte("!<arch>\n" + d.content) }

const sourceFile = "the hello tarball"

func (a *archive) sources() []byte {
	return []byte(fmt.Sprintf("Package: hello\nVersion: 2.10-3\nDirectory: pool/main/h/hello\nChecksums-Sha256:\n %s %d hello_2.10.orig.tar.gz\n\n",
		manifest.Sum([]byte(sourceFile)).Hex(), len(sourceFile)))
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func (a *archive) release(files map[string][]byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "Origin: Test\nSuite: stable\nCodename: bookworm\nDate: %s\nArchitectures: amd64 all\nComponents: main\nSHA256:\n",
		a.date.Format("Mon, 02 Jan 2006 15:04:05 UTC"))
	var names []string
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(&b, " %s %d %s\n", manifest.Sum(files[n]).Hex(), len(files[n]), n)
	}
	return []byte(b.String())
}

func (a *archive) inRelease(t testing.TB, release []byte) []byte {
	t.Helper()
	return archivetest.ClearSign(t, release, a.date, a.key)
}

func (a *archive) keyring(t testing.TB) []byte {
	t.Helper()
	return a.key.Public(t)
}

// fixture is a lock and the blobs that it names.
type fixture struct {
	lock  *manifest.Lock
	blobs memory
}

func newFixture(t testing.TB) *fixture { return newArchive(t).fixture(t) }

func (a *archive) fixture(t testing.TB) *fixture {
	t.Helper()
	m := memory{}
	files := map[string][]byte{
		"main/binary-amd64/Packages.gz": gz(a.packages()),
		"main/source/Sources.gz":        gz(a.sources()),
	}
	pin := manifest.ArchivePin{
		Name: "debian", Suite: "bookworm", Components: []string{"main"}, Date: a.date.Format(time.RFC3339),
		SignedBy: []string{a.key.Fingerprint()},
		Keyring:  m.add(a.keyring(t)),
		Release:  []manifest.ArchiveFile{{Path: "InRelease", Blob: m.add(a.inRelease(t, a.release(files)))}},
		Indexes: []manifest.ArchiveFile{
			{Path: "main/binary-amd64/Packages.gz", Blob: m.add(files["main/binary-amd64/Packages.gz"])},
			{Path: "main/source/Sources.gz", Blob: m.add(files["main/source/Sources.gz"])},
		},
	}
	target := manifest.Target{Descriptor: "hello", Distro: "debian", Suite: "bookworm", Architecture: "amd64",
		Image: manifest.Image{Kind: manifest.ImageBootstrap}}
	for _, d := range a.debs {
		target.Packages = append(target.Packages, manifest.PackagePin{Name: d.name, Version: d.version,
			Architecture: d.arch, Archive: "debian/bookworm", Path: d.path(), Blob: m.add(d.body()), Why: "essential"})
	}
	sort.Slice(target.Packages, func(i, j int) bool { return target.Packages[i].Name < target.Packages[j].Name })
	f := &fixture{blobs: m, lock: &manifest.Lock{
		Version: manifest.LockVersion,
		Descriptors: []manifest.DescriptorPin{{Name: "hello", File: "hello.yml", Blob: m.add([]byte("name: hello\n")),
			Reference: "2024-01-02 03:04:05",
			Files: []manifest.FilePin{
				{Name: "hello_2.10.orig.tar.gz", Blob: m.add([]byte(sourceFile)), SourcePackage: "hello",
					Archive: "debian/bookworm", Path: "pool/main/h/hello/hello_2.10.orig.tar.gz"},
				{Name: "empty", Blob: m.add(nil), Private: true},
				{Name: "braces", Blob: m.add([]byte(emptyConfig)), Private: true},
			}}},
		Archives: []manifest.ArchivePin{pin},
		Targets:  []manifest.Target{target},
	}}
	if err := f.lock.Validate(); err != nil {
		t.Fatal(err)
	}
	return f
}

// write writes the bundle, signed by each of signers.
func (f *fixture) write(t testing.TB, signers ...Signer) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Write(t.Context(), &b, f.lock, f.blobs, f.sign(t, signers...), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (f *fixture) sign(t testing.TB, signers ...Signer) []Signature {
	t.Helper()
	doc, err := Manifest(f.lock)
	if err != nil {
		t.Fatal(err)
	}
	var sigs []Signature
	for _, s := range signers {
		sig, err := s.Sign(t.Context(), SignatureNamespace, doc)
		if err != nil {
			t.Fatal(err)
		}
		sigs = append(sigs, sig)
	}
	return sigs
}

// keyPair is an ed25519 key: its signer, and its .pub line.
func keyPair(t testing.TB) (Signer, string) {
	t.Helper()
	pub, priv := ed25519Key(t)
	return signerOf(t, priv), publicLine(t, pub)
}

func signerOf(t testing.TB, private crypto.PrivateKey) Signer {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := SSHSigner(pem.EncodeToMemory(block), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func publicLine(t testing.TB, public any) string {
	t.Helper()
	k, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

func signers(t testing.TB, lines ...string) *Signers {
	t.Helper()
	s, err := ParseSigners("test", []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tool finds a program, or skips the test; with SATCHEL_CI=1 it must be there.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("SATCHEL_CI") == "1" {
		t.Fatalf("%s is not installed", name)
	}
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

func ed25519Key(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pub, priv
}
