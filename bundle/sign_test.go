package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// sshKeygen runs ssh-keygen -Y verify and answers whether it accepts.
func sshKeygenAccepts(t *testing.T, allowed, sig string, doc []byte) bool {
	t.Helper()
	cmd := exec.Command(tool(t, "ssh-keygen"), "-Y", "verify", "-f", allowed, "-I", "alice@example.org", "-n", SignatureNamespace, "-s", sig)
	cmd.Stdin = bytes.NewReader(doc)
	return cmd.Run() == nil
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// keygen makes a key with ssh-keygen and gives private half and .pub line.
func keygen(t *testing.T, dir, passphrase string, args ...string) (private []byte, pub string) {
	t.Helper()
	name := filepath.Join(dir, strings.Join(args, "")+passphrase)
	out, err := exec.Command(tool(t, "ssh-keygen"), append([]string{"-q", "-N", passphrase, "-C", "test", "-f", name}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	private, err = os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return private, strings.TrimSpace(string(b))
}

// TestSSHKeygen: what we sign ssh-keygen accepts, and the reverse; what is
// tampered with both refuse.
func TestSSHKeygen(t *testing.T) {
	tool(t, "ssh-keygen")
	dir := t.TempDir()
	doc, err := Manifest(newFixture(t).lock)
	if err != nil {
		t.Fatal(err)
	}
	other := append(bytes.Clone(doc), ' ')
	for _, args := range [][]string{{"-t", "ed25519"}, {"-t", "rsa", "-b", "2048"}, {"-t", "rsa", "-b", "3072", "-m", "PEM"},
		{"-t", "ecdsa", "-b", "256"}, {"-t", "ecdsa", "-b", "384"}, {"-t", "ecdsa", "-b", "521", "-m", "PEM"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			private, pub := keygen(t, dir, "", args...)
			allowed := writeFile(t, filepath.Join(dir, "allowed"), []byte("alice@example.org "+pub+"\n"))
			keyFile := filepath.Join(dir, strings.Join(args, ""))
			s, err := SSHSigner(private, nil)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := s.Sign(t.Context(), SignatureNamespace, doc)
			if err != nil {
				t.Fatal(err)
			}
			sigFile := writeFile(t, filepath.Join(dir, "ours.sig"), ours.Armoured)
			if !sshKeygenAccepts(t, allowed, sigFile, doc) {
				t.Error("ssh-keygen refuses our signature")
			}
			if sshKeygenAccepts(t, allowed, sigFile, other) {
				t.Error("ssh-keygen accepts our signature for another document")
			}
			if _, err := ours.check(other); err == nil {
				t.Error("we accept our signature for another document")
			}

			docFile := writeFile(t, filepath.Join(dir, "doc"), doc)
			os.Remove(docFile + ".sig")
			if out, err := exec.Command("ssh-keygen", "-Y", "sign", "-f", keyFile, "-n", SignatureNamespace, docFile).CombinedOutput(); err != nil {
				t.Fatalf("ssh-keygen -Y sign: %v: %s", err, out)
			}
			b, err := os.ReadFile(docFile + ".sig")
			if err != nil {
				t.Fatal(err)
			}
			theirs := Signature{b}
			key, err := theirs.check(doc)
			if err != nil {
				t.Fatalf("we refuse ssh-keygen's signature: %v", err)
			}
			if got := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))); !strings.HasPrefix(pub, got) {
				t.Errorf("got key %s, want %s", got, pub)
			}
			if _, err := theirs.check(other); err == nil {
				t.Error("we accept ssh-keygen's signature for another document")
			}
			raw, err := unarmour(theirs.Armoured)
			if err != nil {
				t.Fatal(err)
			}
			for at := range raw { // whatever we accept ssh-keygen must accept; one bit changed, neither does
				bad := bytes.Clone(raw)
				bad[at] ^= 1
				armoured := pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: bad})
				if key, err := (Signature{armoured}).check(doc); err == nil && bytes.Equal(key.Marshal(), mustParse(t, pub).Marshal()) {
					t.Errorf("we accept a signature whose byte %d is changed", at)
				}
			}
		})
	}
}

func mustParse(t *testing.T, pub string) ssh.PublicKey {
	t.Helper()
	k, err := parsePublic([]byte(pub))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEncryptedKey(t *testing.T) {
	private, pub := keygen(t, t.TempDir(), "secret", "-t", "ed25519")
	if _, err := SSHSigner(private, nil); err == nil {
		t.Error("an encrypted key opens without a passphrase")
	}
	if _, err := SSHSigner(private, func() ([]byte, error) { return []byte("wrong"), nil }); err == nil {
		t.Error("an encrypted key opens with a wrong passphrase")
	}
	errNo := errors.New("no terminal")
	if _, err := SSHSigner(private, func() ([]byte, error) { return nil, errNo }); !errors.Is(err, errNo) {
		t.Errorf("got %v, want the error of the passphrase", err)
	}
	s, err := SSHSigner(private, func() ([]byte, error) { return []byte("secret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := ssh.FingerprintSHA256(mustParse(t, pub)); s.Fingerprint() != got {
		t.Errorf("got %s, want %s", s.Fingerprint(), got)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	short, _ := keygen(t, dir, "", "-t", "rsa", "-b", "1024")
	if _, err := SSHSigner(short, nil); err == nil {
		t.Error("an RSA key of 1024 bits is taken")
	}
	if _, err := SSHSigner([]byte("ssh-ed25519 AAAA"), nil); err == nil {
		t.Error("a public key is taken for a private one")
	}
}

// TestAgent signs with each kind of key through an agent on a pipe.
func TestAgent(t *testing.T) {
	dir := t.TempDir()
	ring := agent.NewKeyring()
	var pubs []string
	for _, args := range [][]string{{"-t", "ed25519"}, {"-t", "rsa", "-b", "2048"}, {"-t", "ecdsa", "-b", "256"}} {
		private, pub := keygen(t, dir, "", args...)
		key, err := ssh.ParseRawPrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
		pubs = append(pubs, pub)
	}
	here, there := net.Pipe()
	defer here.Close()
	go agent.ServeAgent(ring, there)
	for _, pub := range pubs {
		s, err := AgentSigner(here, []byte(pub+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		sig, err := s.Sign(t.Context(), SignatureNamespace, []byte("doc"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sig.check([]byte("doc")); err != nil {
			t.Error(err)
		}
	}
	_, stranger := keyPair(t)
	if _, err := AgentSigner(here, []byte(stranger)); err == nil || !strings.Contains(err.Error(), "ssh-add") {
		t.Errorf("a key that the agent does not hold: got %v", err)
	}
	if _, err := AgentSigner(struct {
		io.Reader
		io.Writer
	}{strings.NewReader(""), io.Discard}, []byte(pubs[0])); err == nil {
		t.Error("an agent that hangs up is taken")
	}
}

// TestHardwareKey makes the signature that a FIDO key would make, in software,
// and asks ssh-keygen and us.
func TestHardwareKey(t *testing.T) {
	pub, priv := ed25519Key(t)
	const app = "ssh:"
	key := ssh.Marshal(struct {
		Type string
		Key  []byte
		App  string
	}{"sk-ssh-ed25519@openssh.com", pub, app})
	line := "sk-ssh-ed25519@openssh.com " + base64.StdEncoding.EncodeToString(key)
	doc := []byte("a manifest")
	dir := t.TempDir()
	allowed := writeFile(t, filepath.Join(dir, "allowed"), []byte("alice@example.org "+line+"\n"))
	for _, tt := range []struct {
		flags byte
		want  bool
	}{{1, true}, {0, false}} {
		sig := Signature{hardwareSignature(priv, key, app, tt.flags, doc)}
		_, err := sig.check(doc)
		if (err == nil) != tt.want {
			t.Errorf("flags %d: got %v, want accepted: %v", tt.flags, err, tt.want)
		}
		file := writeFile(t, filepath.Join(dir, "sig"), sig.Armoured)
		if tt.want && !sshKeygenAccepts(t, allowed, file, doc) {
			t.Error("ssh-keygen refuses the signature that we accept")
		}
		if _, err := sig.check([]byte("another")); err == nil {
			t.Error("a signature of another document is accepted")
		}
	}
	if s := signers(t, line); len(s.entries) != 1 {
		t.Error("the key is not read")
	}
}

func hardwareSignature(priv ed25519.PrivateKey, key []byte, app string, flags byte, doc []byte) []byte {
	sum := sha512.Sum512(doc)
	signed := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{
		SignatureNamespace, "", "sha512", string(sum[:])})...)
	appSum, msgSum := sha256.Sum256([]byte(app)), sha256.Sum256(signed)
	data := append(appSum[:], flags, 0, 0, 0, 7)
	data = append(data, msgSum[:]...)
	sig := ssh.Marshal(struct {
		Format string
		Blob   []byte
		Flags  byte
		Count  uint32
	}{"sk-ssh-ed25519@openssh.com", ed25519.Sign(priv, data), flags, 7})
	raw := append([]byte("SSHSIG"), ssh.Marshal(struct {
		Version                                       uint32
		Key, Namespace, Reserved, Hash, SignatureBlob string
	}{1, string(key), SignatureNamespace, "", "sha512", string(sig)})...)
	return pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: raw})
}

func TestArmour(t *testing.T) {
	s, _ := keyPair(t)
	sig, err := s.Sign(t.Context(), SignatureNamespace, []byte("doc"))
	if err != nil {
		t.Fatal(err)
	}
	good := string(sig.Armoured)
	for what, bad := range map[string]string{
		"text before":   "x\n" + good,
		"text after":    good + "x\n",
		"twice":         good + good,
		"no last line":  strings.TrimSuffix(good, armourEnd),
		"no line end":   strings.TrimSuffix(good, "\n"),
		"CR LF":         strings.ReplaceAll(good, "\n", "\r\n"),
		"empty line":    strings.Replace(good, "\n", "\n\n", 1),
		"a header":      strings.Replace(good, "\n", "\nA: b\n\n", 1),
		"another type":  strings.ReplaceAll(good, "SSH SIGNATURE", "PGP SIGNATURE"),
		"a space":       strings.Replace(good, "U1NI", "U1NI ", 1),
		"half a byte":   strings.Replace(good, "U1NI", "U1N", 1),
		"nothing in it": armourBegin + armourEnd,
		"nothing":       "",
	} {
		if _, err := (Signature{[]byte(bad)}).check([]byte("doc")); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if _, err := sig.check([]byte("doc")); err != nil {
		t.Error(err)
	}
}

// TestNothingBesideTheSignature: a signature that verifies, with room for
// something else beside it, is refused.
func TestNothingBesideTheSignature(t *testing.T) {
	_, priv := ed25519Key(t)
	key, err := ssh.NewSignerFromSigner(priv)
	if err != nil {
		t.Fatal(err)
	}
	doc := []byte("a manifest")
	sum := sha512.Sum512(doc)
	signed := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{
		SignatureNamespace, "", "sha512", string(sum[:])})...)
	sig, err := key.Sign(nil, signed)
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		rest     string
		reserved string
		tail     string
		ok       bool
	}{"sound": {"", "", "", true}, "in the signature": {"more", "", "", false},
		"in the reserved field": {"", "more", "", false}, "behind it": {"", "", "more", false}} {
		raw := append([]byte("SSHSIG"), ssh.Marshal(struct {
			Version                                       uint32
			Key, Namespace, Reserved, Hash, SignatureBlob string
		}{1, string(key.PublicKey().Marshal()), SignatureNamespace, tt.reserved, "sha512", string(ssh.Marshal(sig)) + tt.rest})...)
		raw = append(raw, tt.tail...)
		_, err := Signature{pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: raw})}.check(doc)
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want accepted: %v", what, err, tt.ok)
		}
	}
}
