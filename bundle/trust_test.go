package bundle

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// countingReader says how far into a bundle anybody has read.
type countingReader struct {
	r    *bytes.Reader
	n    atomic.Int64
	last atomic.Int64
}

func (c *countingReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.r.ReadAt(p, at)
	c.n.Add(int64(n))
	c.last.Store(max(c.last.Load(), at+int64(n)))
	return n, err
}

// TestUntrustedReadsNoBulk: whoever is not trusted is refused before one bulk
// byte is read, from a file and from a pipe.
func TestUntrustedReadsNoBulk(t *testing.T) {
	fix := newFixture(t)
	mallory, _ := keyPair(t)
	_, alicePub := keyPair(t)
	data := fix.write(t, mallory)
	policy := Policy{AllowedSigners: signers(t, "alice "+alicePub), Threshold: 1}
	end := open(t, data).front.end

	c := &countingReader{r: bytes.NewReader(data)}
	f, err := New("test", c, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	v, report, err := f.Verify(t.Context(), policy, nil)
	if v != nil || !errors.Is(err, ErrUntrusted) {
		t.Fatalf("got %v, %v; want ErrUntrusted", v, err)
	}
	if c.n.Load() > end || c.last.Load() > end {
		t.Errorf("read %d bytes, up to %d; the front ends at %d", c.n.Load(), c.last.Load(), end)
	}
	var u *UntrustedError
	if !errors.As(err, &u) || len(u.Signed) != 1 || u.Signed[0].Fingerprint != mallory.Fingerprint() || len(u.Expected) != 1 {
		t.Errorf("the error does not say who signed and who was expected: %+v", u)
	}
	for _, want := range []string{mallory.Fingerprint(), "alice", "satchel sign"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %q", err, want)
		}
	}
	if len(report.Signatures) != 1 || report.Signatures[0].Trusted {
		t.Errorf("got report %+v", report)
	}

	pipe := io.MultiReader(bytes.NewReader(data[:end]), failing{t})
	if _, _, err := VerifyStream(t.Context(), pipe, policy, memory{}, nil); !errors.Is(err, ErrUntrusted) {
		t.Errorf("from a pipe: got %v, want ErrUntrusted", err)
	}
}

// failing is a reader that must not be read.
type failing struct{ t *testing.T }

func (f failing) Read([]byte) (int, error) {
	f.t.Error("a bulk byte was read")
	return 0, io.EOF
}

func TestPolicy(t *testing.T) {
	fix := newFixture(t)
	alice, alicePub := keyPair(t)
	laptop, laptopPub := keyPair(t)
	bob, bobPub := keyPair(t)
	_, carolPub := keyPair(t)
	both := fix.write(t, alice, bob)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name    string
		data    []byte
		keys    string // "" is no keyring
		want    int    // threshold
		trusted int
		ok      bool
	}{
		{"no keyring", both, "", 1, 0, false},
		{"nobody signed", fix.write(t), "alice " + alicePub, 1, 0, false},
		{"one of one", both, "alice " + alicePub, 1, 1, true},
		{"plain pub line", both, alicePub + " alice@laptop", 1, 1, true},
		{"two of two", both, "alice " + alicePub + "\nbob " + bobPub, 2, 2, true},
		{"one of two", both, "alice " + alicePub + "\ncarol " + carolPub, 2, 1, false},
		{"one person, two keys", fix.write(t, alice, laptop), "alice " + alicePub + "\nalice " + laptopPub, 2, 1, false},
		{"one person, two keys, joined by a list", fix.write(t, alice, laptop), "a,alice " + alicePub + "\nalice,b " + laptopPub, 2, 1, false},
		{"one key listed as two people", fix.write(t, alice), "alice " + alicePub + "\nbob " + alicePub, 2, 1, false},
		{"wildcards are no person", both, "* " + alicePub + "\n* " + bobPub, 2, 2, true},
		{"for git only", both, `alice namespaces="git" ` + alicePub, 1, 0, false},
		{"for bundles", both, `alice namespaces="git,satchel-*" ` + alicePub, 1, 1, true},
		{"for all but bundles", both, `alice namespaces="*,!satchel-bundle" ` + alicePub, 1, 0, false},
		{"not yet", both, `alice valid-after="20270101Z" ` + alicePub, 1, 0, false},
		{"not any more", both, `alice valid-before="20250101Z" ` + alicePub, 1, 0, false},
		{"within", both, `alice valid-after="20250101Z",valid-before="202701010000Z" ` + alicePub, 1, 1, true},
		{"a second line is good", both, `alice valid-before="20250101Z" ` + alicePub + "\nalice " + alicePub, 1, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Policy{Threshold: tt.want, Now: now}
			if tt.keys != "" {
				p.AllowedSigners = signers(t, tt.keys)
			}
			v, report, err := open(t, tt.data).Verify(t.Context(), p, nil)
			if (err == nil) != tt.ok || (v != nil) != tt.ok || err != nil && !errors.Is(err, ErrUntrusted) {
				t.Errorf("got %v, want trusted: %v", err, tt.ok)
			}
			if report.Trusted != tt.trusted {
				t.Errorf("got %d trusted signers, want %d", report.Trusted, tt.trusted)
			}
		})
	}
}

func TestStrictZeroPolicy(t *testing.T) {
	fix := newFixture(t)
	alice, alicePub := keyPair(t)
	f := open(t, fix.write(t, alice))
	for _, p := range []Policy{{}, {AllowedSigners: signers(t, alicePub)}, {Threshold: -1, AllowedSigners: signers(t, alicePub)},
		{Threshold: 1}, {Threshold: 1, AllowedSigners: &Signers{}},
		{Threshold: 1, AllowedSigners: signers(t, `a valid-after="20200101Z" `+alicePub)}} {
		if v, _, err := f.Verify(t.Context(), p, nil); v != nil || err == nil {
			t.Errorf("policy %+v trusts the bundle", p)
		}
	}
	if _, report, err := f.Verify(t.Context(), Policy{Unsigned: true}, nil); err != nil || report.Threshold != 0 || report.Trusted != 0 {
		t.Errorf("with Unsigned: got %v, report %+v", err, report)
	}
}

// TestForeignSignature: a signature that is not of this manifest is damage, even
// beside a good one and even if nobody asks for signatures.
func TestForeignSignature(t *testing.T) {
	fix, other := newFixture(t), newFixture(t)
	alice, alicePub := keyPair(t)
	good := fix.sign(t, alice)[0]
	foreign := other.sign(t, alice)[0]
	_, priv := ed25519Key(t)
	raw, err := ssh.NewSignerFromSigner(priv)
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := Manifest(fix.lock)
	elsewhere, err := sshsig.Sign(bytes.NewReader(doc), raw, sshsig.HashSHA512, "git")
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]Signature{"foreign": foreign, "namespace": {sshsig.Armor(elsewhere)}} {
		if _, err := Write(t.Context(), io.Discard, fix.lock, fix.blobs, []Signature{bad}, nil); err == nil {
			t.Errorf("%s: Write takes it", name)
		}
		l, err := newLayout(fix.lock, mustMarshal(t, fix.lock), []Signature{good, bad})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := l.write(t.Context(), &b, fix.blobs, silent{}); err != nil {
			t.Fatal(err)
		}
		for _, p := range []Policy{{Unsigned: true}, {Threshold: 1, AllowedSigners: signers(t, alicePub)}} {
			if v, _, err := open(t, b.Bytes()).Verify(t.Context(), p, nil); v != nil || !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: got %v, want ErrCorrupt", name, err)
			}
		}
	}
}
