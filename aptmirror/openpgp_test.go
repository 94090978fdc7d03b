package aptmirror

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// born is when the keys of the tests are made, unless a test says otherwise.
var born = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// newKey makes a key that may sign, of a kind that gpgv knows. days is how long
// it lives; 0: for ever.
func newKey(t testing.TB, name string, at time.Time, days int, algo packet.PublicKeyAlgorithm) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity(name, "", name+"@example.org", &packet.Config{
		Time: func() time.Time { return at }, Algorithm: algo, RSABits: 2048, KeyLifetimeSecs: uint32(days) * 86400,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// at is a configuration with a clock that stands still.
func at(when time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return when }, Algorithm: packet.PubKeyAlgoEdDSA}
}

func public(t testing.TB, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, k := range keys {
		if err := k.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func keyringOf(t testing.TB, keys ...*openpgp.Entity) *Keyring {
	t.Helper()
	k, err := ReadKeyring("test", public(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signature is how one signature of a test is made.
type signature struct {
	key   *packet.PrivateKey
	at    time.Time
	hash  crypto.Hash          // SHA-256 if zero
	kind  packet.SignatureType // as given
	lives uint32               // seconds; 0: for ever
	note  *packet.Notation
}

// sign returns a signature packet over signed.
func (s signature) sign(t testing.TB, signed []byte) []byte {
	t.Helper()
	if s.hash == 0 {
		s.hash = crypto.SHA256
	}
	sig := &packet.Signature{
		Version: s.key.Version, SigType: s.kind, PubKeyAlgo: s.key.PubKeyAlgo, Hash: s.hash, CreationTime: s.at,
		IssuerKeyId: &s.key.KeyId, IssuerFingerprint: s.key.Fingerprint,
	}
	if s.lives > 0 {
		sig.SigLifetimeSecs = &s.lives
	}
	if s.note != nil {
		sig.Notations = []*packet.Notation{s.note}
	}
	h, err := sig.PrepareSign(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(signed)
	no := false
	if err := sig.Sign(h, s.key, &packet.Config{NonDeterministicSignaturesViaNotation: &no}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// armored writes a block as gpg does.
func armored(begin, end string, body []byte) string {
	text := base64.StdEncoding.EncodeToString(body)
	var b strings.Builder
	b.WriteString(begin + "\n\n")
	for len(text) > 64 {
		b.WriteString(text[:64] + "\n")
		text = text[64:]
	}
	crc := crc24(body)
	b.WriteString(text + "\n=" + base64.StdEncoding.EncodeToString([]byte{byte(crc >> 16), byte(crc >> 8), byte(crc)}) + "\n" + end + "\n")
	return b.String()
}

const releaseText = `Origin: Test
Label: Test
Suite: stable
Codename: test
Date: Wed, 01 Jan 2020 00:00:00 UTC
Architectures: amd64 all
Components: main
SHA256:
 ` + sumA + ` 10 main/binary-amd64/Packages
`

// inRelease signs text as an archive does. The text must need no escape.
func inRelease(t testing.TB, text string, signatures ...signature) []byte {
	t.Helper()
	var packets []byte
	hashes := make(map[string]bool)
	var header []string
	for _, s := range signatures {
		s.kind = packet.SigTypeText
		packets = append(packets, s.sign(t, []byte(strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\r\n")))...)
		name := strings.ReplaceAll(max(s.hash, crypto.SHA1).String(), "-", "")
		if s.hash == 0 {
			name = "SHA256"
		}
		if !hashes[name] {
			hashes[name] = true
			header = append(header, name)
		}
	}
	return []byte(beginSigned + "\nHash: " + strings.Join(header, ", ") + "\n\n" + text + armored(beginSignature, endSignature, packets))
}

// gpgv says whether gpgv accepts a file, and what it says was signed.
func gpgv(t testing.TB, keyring []byte, files ...[]byte) (ok bool, text, story string) {
	t.Helper()
	program, err := exec.LookPath("gpgv")
	if err != nil {
		need(t, "gpgv")
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	args := []string{"--homedir", dir, "--status-fd", "2", "--keyring", write("ring.gpg", keyring)}
	if len(files) == 1 {
		args = append(args, "--output", filepath.Join(dir, "out"), write("InRelease", files[0]))
	} else {
		args = append(args, write("Release.gpg", files[1]), write("Release", files[0]))
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	signed, _ := os.ReadFile(filepath.Join(dir, "out"))
	return err == nil, string(signed), string(out)
}

// machineKeyring is Debian's.
func machineKeyring(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("/usr/share/keyrings/debian-archive-keyring.gpg")
	if err != nil {
		need(t, "Debian's archive keyring")
	}
	return data
}

// machineReleases are the InRelease files that apt has fetched, by name.
func machineReleases(t testing.TB) map[string][]byte {
	t.Helper()
	files, _ := filepath.Glob("/var/lib/apt/lists/*_InRelease")
	releases := make(map[string][]byte)
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(filepath.Base(f), "_dists_")
		releases[name] = data
	}
	if len(releases) == 0 {
		need(t, "InRelease files in /var/lib/apt/lists")
	}
	return releases
}

// fixture reads a file that was made once with the functions above: two keys
// with a signing subkey each, one of them retired on 2020-01-03, and what both
// signed on 2020-01-02. Fuzzing needs the same bytes in every process.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "openpgp", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
