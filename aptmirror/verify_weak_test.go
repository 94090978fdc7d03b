package aptmirror

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror/archivetest"
)

// gpgDSA is a DSA key of 1024 bits that gpg made, and a function that has it sign.
func gpgDSA(t *testing.T) (public []byte, sign func(text []byte, args ...string) []byte) {
	t.Helper()
	program, err := exec.LookPath("gpg")
	if err != nil {
		need(t, "gpg")
	}
	home := t.TempDir()
	run := func(input []byte, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(program, append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "",
			"--cert-digest-algo", "SHA1", "--allow-weak-digest-algos"}, args...)...)
		cmd.Stdin, cmd.Env = bytes.NewReader(input), append(os.Environ(), "LC_ALL=C")
		var story bytes.Buffer
		cmd.Stderr = &story
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, story.String())
		}
		return out
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	os.Chmod(home, 0o700)
	run(nil, "--quick-generate-key", "Archive <archive@example.org>", "dsa1024", "sign", "never")
	return run(nil, "--export"), func(text []byte, args ...string) []byte { return run(text, args...) }
}

// TestWeakSignatures: what proves little is refused, and taken by those alone who
// say so, if it is right; gpgv, which has no such rule, says which are right.
func TestWeakSignatures(t *testing.T) {
	t.Parallel()
	text, when := []byte(releaseText), time.Now().Add(-time.Hour)
	old, v3, stranger := archivetest.NewDSAKey(t, false), archivetest.NewDSAKey(t, true), archivetest.NewDSAKey(t, true)
	good := archivetest.NewKey(t)
	public, gpg := gpgDSA(t)
	ring := bytes.Join([][]byte{old.Public(t), v3.Public(t), good.Public(t), public}, nil)
	keys, err := ReadKeyring("ring", ring)
	if err != nil {
		t.Fatal(err)
	}
	evil := []byte(strings.Replace(releaseText, "main", "evil", 1))
	detach := func(text []byte, keys ...*archivetest.Key) []byte {
		return archivetest.DetachSign(t, text, when, keys...)
	}
	clear := func(keys ...*archivetest.Key) []byte { return archivetest.ClearSign(t, text, when, keys...) }
	weak, bad, unknown := ErrWeakSignature, ErrBadSignature, ErrUnknownSigner
	for _, c := range []struct {
		name         string
		text         []byte // nil: signature is an InRelease file
		signature    []byte
		strict, laxe error
		weakly       bool // the signers count by the lax rules alone
	}{
		{"DSA with SHA-1", text, detach(text, old), weak, nil, true},
		{"that, of version 3", text, detach(text, v3), weak, nil, true},
		{"DSA with SHA-1, clear", nil, clear(old), weak, nil, true},
		{"gpg's, with SHA-1", text, gpg(text, "--digest-algo", "SHA1", "--detach-sign"), weak, nil, true},
		{"gpg's, with SHA-256", text, gpg(text, "--digest-algo", "SHA256", "--detach-sign"), weak, nil, true},
		{"gpg's, clear", nil, gpg(text, "--digest-algo", "SHA1", "--clear-sign"), weak, nil, true},
		{"both", text, detach(text, old, good), nil, nil, false},
		{"both, clear", nil, clear(good, old), nil, nil, false},
		{"two weak ones", text, detach(text, old, old), weak, nil, true},
		{"over another text", evil, detach(text, old), bad, bad, false},
		{"version 3 over another text", evil, detach(text, v3), bad, bad, false},
		{"version 3 over another text, after a good one", text, append(detach(text, good), detach(evil, v3)...), bad, bad, false},
		{"of a stranger", text, detach(text, stranger), unknown, unknown, false},
		{"gpg's, RIPEMD", text, gpg(text, "--digest-algo", "RIPEMD160", "--detach-sign"), unknown, unknown, false},
		{"gpg's, MD5 in its name", text, patched(t, gpg(text, "--digest-algo", "SHA1", "--detach-sign"), 3, 1), unknown, unknown, false},
		{"from before the key", text, archivetest.DetachSign(t, text, time.Date(2003, 1, 1, 0, 0, 0, 0, time.UTC), v3), weak, ErrUnusableSignature, false},
		{"from the future", text, archivetest.DetachSign(t, text, time.Now().Add(48*time.Hour), v3), ErrFutureSignature, ErrFutureSignature, false},
	} {
		verify := func(k *Keyring) ([]Signer, error) {
			if c.text == nil {
				_, signers, err := k.VerifyInRelease(c.signature, time.Now())
				return signers, err
			}
			_, signers, err := k.VerifyRelease(c.text, c.signature, time.Now())
			return signers, err
		}
		if signers, err := verify(keys); !errors.Is(err, c.strict) {
			t.Errorf("%s: got %v, %v, want %v", c.name, signers, err, c.strict)
		}
		signers, err := verify(keys.Weakly())
		if !errors.Is(err, c.laxe) || err == nil && signers[0].Weak != c.weakly {
			t.Errorf("%s, laxly: got %v, %v, want %v", c.name, signers, err, c.laxe)
		}
		files := [][]byte{c.signature}
		if c.text != nil {
			files = [][]byte{c.text, c.signature}
		}
		if ok, _, story := gpgv(t, ring, files...); !ok && err == nil {
			t.Errorf("%s: gpgv refuses it\n%s", c.name, story)
		} else if ok && c.laxe == bad {
			t.Errorf("%s: gpgv takes it, we say %v", c.name, err)
		}
	}
}

// TestMutatedVersion3: no change of a byte of a signature of version 3, nor of what
// it signs, is taken that gpgv does not take.
func TestMutatedVersion3(t *testing.T) {
	t.Parallel()
	key, text := archivetest.NewDSAKey(t, true), []byte(releaseText)
	ring := key.Public(t)
	keys, err := ReadKeyring("ring", ring)
	if err != nil {
		t.Fatal(err)
	}
	packets, err := detached(archivetest.DetachSign(t, text, time.Now().Add(-time.Hour), key))
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	step := 3
	if os.Getenv("SATCHEL_FULL") != "" {
		step = 1
	}
	for i := 0; i < len(packets); i += step {
		for _, flip := range []byte{1, 0x80} {
			other := bytes.Clone(packets)
			other[i] ^= flip
			if _, _, err := keys.Weakly().VerifyRelease(text, other, time.Now()); err != nil {
				continue
			}
			accepted++
			if ok, _, story := gpgv(t, ring, text, other); !ok {
				t.Errorf("byte %d: gpgv refuses it\n%s", i, story)
			}
		}
	}
	if _, _, err := keys.Weakly().VerifyRelease(text, packets, time.Now()); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	if accepted > 2 {
		t.Errorf("%d changed ones are taken", accepted)
	}
}
