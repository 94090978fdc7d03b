package sigs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"satchel/manifest/compare"
)

// gpgMaker signs with a real gpg, of now or of 2011.
type gpgMaker struct{ home, program string }

func (g gpgMaker) run(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(g.program, append([]string{"--homedir", g.home, "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	if strings.HasSuffix(g.program, "gpg1") {
		cmd = exec.Command(g.program, append([]string{"--homedir", g.home, "--batch", "--yes", "--quiet", "--passphrase", ""}, args...)...)
	}
	cmd.Stdin = bytes.NewReader(in)
	var story bytes.Buffer
	cmd.Stderr = &story
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", g.program, args, err, story.String())
	}
	return out
}

// TestAgainstGpg: signatures of every kind that gpg makes, over texts that end
// their lines in every way, and what gpgv says of each.
func TestAgainstGpg(t *testing.T) {
	gpg := gpgMaker{home: gnupg(t), program: needTool(t, "gpg")}
	old := gpgMaker{home: gnupg(t), program: needTool(t, "gpg1")}
	gpgv := needTool(t, "gpgv")
	gpg.run(t, nil, "--quick-generate-key", "alice", "rsa2048", "sign", "0")
	gpg.run(t, nil, "--quick-generate-key", "bob", "ed25519", "sign", "0")
	secret := gpg.run(t, nil, "--export-secret-keys", "alice")
	old.run(t, secret, "--import")
	public := gpg.run(t, nil, "--export")
	ring := filepath.Join(t.TempDir(), "ring.gpg")
	if err := os.WriteFile(ring, public, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ReadKeys([]KeyFile{{"ring.gpg", "", public}})
	if err != nil {
		t.Fatal(err)
	}
	doc := []byte("--- !omap\n- out_manifest: |\n    one \t\n\n  two\r\n")
	ours := map[string][]byte{
		"as it was": doc, "CR LF": bytes.ReplaceAll(bytes.ReplaceAll(doc, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n")),
		"LF": bytes.ReplaceAll(doc, []byte("\r\n"), []byte("\n")), "no end": bytes.TrimRight(doc, "\r\n"), "CR CR LF": bytes.ReplaceAll(doc, []byte("\r\n"), []byte("\r\r\n")),
		"no blanks": bytes.ReplaceAll(doc, []byte(" \t\n"), []byte("\n")), "lone CR": bytes.ReplaceAll(doc, []byte("one"), []byte("o\re")), "CR at the end": append(bytes.TrimRight(doc, "\r\n"), '\r'),
		"another": []byte("another"), "none": {},
	}
	makers := map[string]struct {
		maker gpgMaker
		args  []string
		weak  bool
		old   bool // of version 3, which gpgv of today does not take
	}{
		"binary":           {gpg, []string{"-u", "alice"}, false, false},
		"ed25519":          {gpg, []string{"-u", "bob"}, false, false},
		"armoured":         {gpg, []string{"-u", "alice", "--armor"}, false, false},
		"text":             {gpg, []string{"-u", "alice", "--textmode"}, false, false},
		"text, armoured":   {gpg, []string{"-u", "bob", "--textmode", "--armor"}, false, false},
		"two":              {gpg, []string{"-u", "alice", "-u", "bob"}, false, false},
		"SHA-512":          {gpg, []string{"-u", "alice", "--digest-algo", "SHA512"}, false, false},
		"SHA-1":            {gpg, []string{"-u", "alice", "--digest-algo", "SHA1"}, true, false},
		"SHA-1, text":      {gpg, []string{"-u", "alice", "--digest-algo", "SHA1", "--textmode"}, true, false},
		"MD5":              {old, []string{"-u", "alice", "--digest-algo", "MD5"}, true, false},
		"notation":         {gpg, []string{"-u", "alice", "--sig-notation", "x@example.org=y"}, false, false},
		"critical":         {gpg, []string{"-u", "alice", "--sig-notation", "!x@example.org=y"}, false, false},
		"1.4":              {old, []string{"-u", "alice"}, false, false},
		"1.4, text":        {old, []string{"-u", "alice", "--textmode", "--digest-algo", "SHA256"}, false, false},
		"version 3":        {old, []string{"-u", "alice", "--force-v3-sigs", "--digest-algo", "SHA256"}, false, true},
		"version 3, text":  {old, []string{"-u", "alice", "--force-v3-sigs", "--textmode", "--digest-algo", "SHA256"}, false, true},
		"version 3, SHA-1": {old, []string{"-u", "alice", "--force-v3-sigs", "--digest-algo", "SHA1"}, true, true},
	}
	when := time.Now().Add(time.Minute)
	counted := 0
	for name, m := range makers {
		sig := m.maker.run(t, doc, append(m.args, "--detach-sign", "--output", "-")...)
		file := filepath.Join(t.TempDir(), "sig")
		if err := os.WriteFile(file, sig, 0o600); err != nil {
			t.Fatal(err)
		}
		for kind, data := range ours {
			got := keys.Check(data, sig, when)
			program := []string{gpgv, "--keyring", ring}
			if m.old {
				program = []string{old.program, "--homedir", old.home, "--batch", "--trust-model", "always", "--verify"}
			}
			cmd := exec.Command(program[0], append(append(program[1:], "--status-fd", "1"), file, "-")...)
			if m.old {
				cmd = exec.Command(program[0], "--homedir", old.home, "--batch", "--status-fd", "1", "--verify", file, "-")
			}
			cmd.Stdin = bytes.NewReader(data)
			out, err := cmd.Output()
			theirs := err == nil && bytes.Contains(out, []byte("GOODSIG"))
			right := got.Status.Counts() || m.weak && got.Status == compare.Weak && name != "MD5"
			switch {
			case name == "MD5": // it proves nothing, whatever it is over
				if got.Status != compare.Weak {
					t.Errorf("%s over %s: we say %s (%s)", name, kind, got.Status, got.Note)
				}
			case right != theirs:
				t.Errorf("%s over %s: we say %s (%s), gpg says %v\n%s", name, kind, got.Status, got.Note, err, out)
			case m.weak && got.Status.Counts():
				t.Errorf("%s over %s: a weak signature counts", name, kind)
			}
			if got.Status.Counts() {
				counted++
			}
		}
	}
	if counted < 20 {
		t.Errorf("only %d good signatures: this test sees nothing", counted)
	}
}
