package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// fakeArchive is a complete signed Debian archive with small packages of the
// test's own, served on loopback. Faults can be planted in what it serves.
type fakeArchive struct {
	*httptest.Server
	key *openpgp.Entity

	mu    sync.Mutex
	files map[string][]byte                                    // by path below the top
	fault map[string]func(w http.ResponseWriter, whole []byte) // by path suffix
	asked []string
}

// suitesOfBookworm are the pockets that satchel reads for bookworm: folder of the
// archive, suite, what its Release calls itself.
var suitesOfBookworm = [...]struct{ archive, suite string }{
	{"debian", "bookworm"}, {"debian", "bookworm-updates"}, {"debian-security", "bookworm-security"},
}

// stanza is a package of the fake archive.
type stanza struct {
	name, version, extra string // extra: more fields, each with its line end
}

func newArchive(t testing.TB, packages ...stanza) *fakeArchive {
	t.Helper()
	key, err := openpgp.NewEntity("Test Archive", "", "archive@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}
	a := &fakeArchive{key: key, files: map[string][]byte{}, fault: map[string]func(http.ResponseWriter, []byte){}}
	for i, s := range suitesOfBookworm {
		var list []stanza
		if i == 0 {
			list = packages
		}
		a.publish(t, s.archive, s.suite, list, time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
	}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Server.Close)
	return a
}

// publish writes the dists of one suite and the pool.
func (a *fakeArchive) publish(t testing.TB, archive, suite string, list []stanza, date, until time.Time) {
	t.Helper()
	index := a.pool(t, archive, list)
	a.dists(t, archive, suite, index, gzipped(index), date, until)
}

// pool writes the packages and returns their index.
func (a *fakeArchive) pool(t testing.TB, archive string, list []stanza) []byte {
	t.Helper()
	var index bytes.Buffer
	for _, p := range list {
		deb := makeDeb(t, p)
		path := fmt.Sprintf("pool/main/%c/%s/%s_%s_amd64.deb", p.name[0], p.name, p.name, p.version)
		a.files[archive+"/"+path] = deb
		fmt.Fprintf(&index, "Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: T <t@example.org>\n%sDescription: test\nFilename: %s\nSize: %d\nSHA256: %x\n\n",
			p.name, p.version, p.extra, path, len(deb), sha256.Sum256(deb))
	}
	return index.Bytes()
}

func gzipped(b []byte) []byte {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write(b)
	w.Close()
	return zipped.Bytes()
}

// dists writes the signed documents of one suite.
func (a *fakeArchive) dists(t testing.TB, archive, suite string, index, zipped []byte, date, until time.Time) {
	t.Helper()
	var release bytes.Buffer
	fmt.Fprintf(&release, "Origin: Debian\nSuite: %s\nCodename: %s\nDate: %s\nValid-Until: %s\nArchitectures: amd64\nComponents: main\nSHA256:\n",
		suite, suite, date.UTC().Format(time.RFC1123), until.UTC().Format(time.RFC1123))
	for path, data := range map[string][]byte{"main/binary-amd64/Packages": index, "main/binary-amd64/Packages.gz": zipped} {
		fmt.Fprintf(&release, " %x %d %s\n", sha256.Sum256(data), len(data), path)
		a.files[archive+"/dists/"+suite+"/"+path] = data
	}
	a.files[archive+"/dists/"+suite+"/InRelease"] = a.sign(t, release.Bytes())
}

func (a *fakeArchive) sign(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, a.key.PrivateKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(withChecksum(t, b.String()), '\n')
}

// withChecksum adds the armour's checksum (RFC 4880, 6.1), which the library
// leaves out and older readers want.
func withChecksum(t testing.TB, message string) []byte {
	t.Helper()
	head, rest, ok := strings.Cut(message, "-----BEGIN PGP SIGNATURE-----\n\n")
	body, end, ok2 := strings.Cut(rest, "\n-----END")
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\n", ""))
	if !ok || !ok2 || err != nil {
		t.Fatalf("the signature has another form: %q, %v", rest, err)
	}
	crc := 0xb704ce
	for _, c := range raw {
		crc ^= int(c) << 16
		for range 8 {
			if crc <<= 1; crc&0x1000000 != 0 {
				crc ^= 0x1864cfb
			}
		}
	}
	sum := base64.StdEncoding.EncodeToString([]byte{byte(crc >> 16), byte(crc >> 8), byte(crc)})
	return []byte(head + "-----BEGIN PGP SIGNATURE-----\n\n" + body + "\n=" + sum + "\n-----END" + end)
}

// keyring is the archive's public key, as gpg --export writes it.
func (a *fakeArchive) keyring(t testing.TB) []byte {
	var b bytes.Buffer
	if err := a.key.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (a *fakeArchive) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	path := strings.TrimPrefix(r.URL.Path, "/")
	a.asked = append(a.asked, path)
	data, ok := a.files[path]
	var fault func(http.ResponseWriter, []byte)
	for suffix, f := range a.fault {
		if strings.HasSuffix(path, suffix) {
			fault = f
		}
	}
	a.mu.Unlock()
	switch {
	case fault != nil:
		fault(w, data)
	case !ok:
		http.NotFound(w, r)
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// makeDeb is a package with one file and, if it has a description of what to do
// then, nothing else.
func makeDeb(t testing.TB, p stanza) []byte {
	t.Helper()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: T <t@example.org>\n%sDescription: test\n", p.name, p.version, p.extra)
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	member := func(name string, data []byte) {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", len(data))
		b.Write(data)
		if len(data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	member("debian-binary", []byte("2.0\n"))
	member("control.tar.gz", tarGz(t, map[string]string{"./control": control}))
	member("data.tar.gz", tarGz(t, map[string]string{"./usr/share/doc/" + p.name + "/readme": p.name + "\n"}))
	return b.Bytes()
}

func tarGz(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	var dirs []string
	for name, content := range files {
		for at := 2; ; {
			i := strings.IndexByte(name[at:], '/')
			if i < 0 {
				break
			}
			at += i + 1
			if d := name[:at]; !slices.Contains(dirs, d) {
				dirs = append(dirs, d)
				w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d, Mode: 0o755})
			}
		}
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))})
		w.Write([]byte(content))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z.Close()
	return b.Bytes()
}
