package bundle

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestParseSigners(t *testing.T) {
	_, pub := keyPair(t)
	good := map[string]int{
		pub:                                    1,
		pub + " a comment with words":          1,
		"alice " + pub:                         1,
		"alice,bob@example.org\t" + pub + "\r": 1,
		`"alice,bob" ` + pub:                   1,
		"# a comment\n\n  \nalice " + pub + "\n\n" + pub:              2,
		`alice namespaces="satchel-bundle" ` + pub:                    1,
		`alice NAMESPACES="a,!b",Valid-After="20240101Z" ` + pub:      1,
		`alice valid-after="20240101120000Z",namespaces="git" ` + pub: 1,
	}
	for text, want := range good {
		s, err := ParseSigners("keys", []byte(text))
		if err != nil || len(s.entries) != want {
			t.Errorf("%q: got %v, %v; want %d keys", text, s, err, want)
		}
	}
	kind, b64, _ := strings.Cut(pub, " ")
	bad := map[string]string{
		"":                               "no key",
		"# nothing\n":                    "no key",
		"alice":                          "line 1",
		"\n\nalice":                      "line 3",
		"alice bob " + pub:               "unknown option",
		"alice cert-authority " + pub:    "cert-authority is not accepted",
		"alice no-pty " + pub:            "unknown option",
		"alice namespaces=git " + pub:    "quotation marks",
		`alice namespaces="git ` + pub:   "no end",
		`alice namespaces="" ` + pub:     "no list",
		`alice namespaces="a,,b" ` + pub: "no list",
		`alice namespaces="a",namespaces="b" ` + pub:                     "twice",
		`alice namespaces="a"namespaces="b" ` + pub:                      "comma",
		`alice namespaces="a", ` + pub:                                   "comma",
		`alice valid-after="20240101" ` + pub:                            "Z, for UTC",
		`alice valid-after="2024Z" ` + pub:                               "want YYYYMMDD",
		`alice valid-after="20241301Z" ` + pub:                           "want YYYYMMDD",
		`alice valid-after="20240101Z",valid-before="20240101Z" ` + pub:  "never be valid",
		`alice valid-before="20240101Z",valid-before="20250101Z" ` + pub: "twice",
		"alice " + kind + " " + b64[:len(b64)-8]:                         "line 1",
		"alice " + kind + " !!!":                                         "base64",
		"alice ssh-rsa " + b64:                                           `it says "ssh-rsa"`,
		"alice ssh-dss AAAA":                                             "line 1",
		"al\x00ice " + pub:                                               "zero byte",
		"alice,,bob " + pub:                                              "no list",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n":                          "private key",
		strings.Repeat("a", maxSignerLine+1) + " " + pub:                 "longer than",
	}
	for text, want := range bad {
		if _, err := ParseSigners("keys", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "keyring keys") {
			t.Errorf("%.100q: got %v, want %q", text, err, want)
		}
	}
	if _, err := ParseSigners("keys", make([]byte, maxSignersSize+1)); err == nil {
		t.Error("a huge keyring is read")
	}
}

// TestSignersAgainstSSHKeygen: whatever line makes us trust a signature makes
// ssh-keygen trust it too. The reverse holds but for what we refuse on purpose.
func TestSignersAgainstSSHKeygen(t *testing.T) {
	tool(t, "ssh-keygen")
	dir := t.TempDir()
	alice, pub := keyPair(t)
	_, other := keyPair(t)
	doc := []byte("a manifest")
	sig, err := alice.Sign(t.Context(), SignatureNamespace, doc)
	if err != nil {
		t.Fatal(err)
	}
	sigFile := writeFile(t, filepath.Join(dir, "sig"), sig.Armoured)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	const who = "alice@example.org"
	for line, onlyTheirs := range map[string]bool{
		who + " " + pub:   false,
		who + " " + other: false,
		who + ` namespaces="satchel-bundle" ` + pub:                          false,
		who + ` namespaces="git" ` + pub:                                     false,
		who + ` namespaces="git,satchel-b*" ` + pub:                          false,
		who + ` namespaces="*" ` + pub:                                       false,
		who + ` namespaces="satchel-bundl?" ` + pub:                          false,
		who + ` namespaces="satchel-bundle?" ` + pub:                         false,
		who + ` namespaces="!satchel-bundle,*" ` + pub:                       false,
		who + ` namespaces="*,!satchel-*" ` + pub:                            false,
		who + ` namespaces="!git" ` + pub:                                    false,
		who + ` valid-after="20260601120000Z" ` + pub:                        false,
		who + ` valid-after="20260601120001Z" ` + pub:                        false,
		who + ` valid-before="20260601120000Z" ` + pub:                       false,
		who + ` valid-before="20260601115959Z" ` + pub:                       false,
		who + ` valid-after="20260101Z",valid-before="20270101Z" ` + pub:     false,
		who + ` valid-after="20260101Z",namespaces="git" ` + pub:             false,
		who + ` valid-after="202606011200Z" ` + pub:                          false,
		who + ` valid-after="20260101" ` + pub:                               true,
		who + ` nonsense ` + pub:                                             false,
		who + ` cert-authority ` + pub:                                       false,
		who + ` namespaces="a",namespaces="satchel-bundle" ` + pub:           false,
		who + "  \t " + pub + "   comment":                                   false,
		"#" + who + " " + pub:                                                false,
		who + " " + other + "\n" + who + ` namespaces="git" ` + pub:          false,
		who + ` namespaces="git" ` + pub + "\n" + who + " " + pub + " again": false,
		"bob@example.org,alice@* " + pub:                                     false,
		`"alice@example.org" ` + pub:                                         false,
	} {
		allowed := writeFile(t, filepath.Join(dir, "allowed"), []byte(line+"\n"))
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", allowed, "-I", who, "-n", SignatureNamespace, "-s", sigFile, "-Overify-time=20260601120000Z")
		cmd.Stdin = bytes.NewReader(doc)
		theirs := cmd.Run() == nil
		ours := false
		if s, err := ParseSigners("allowed", []byte(line+"\n")); err == nil {
			key, err := sig.check(doc)
			if err != nil {
				t.Fatal(err)
			}
			lines, _ := s.matchKey(key, SignatureNamespace, now)
			ours = lines != nil
		}
		if ours != theirs && !(onlyTheirs && theirs) {
			t.Errorf("%q: we trust it: %v, ssh-keygen: %v", line, ours, theirs)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		p, s string
		want bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*", "abc", true}, {"*c", "abc", true},
		{"*b", "abc", false}, {"a?c", "abc", true}, {"a?", "a", false}, {"**", "a", true}, {"*a*b*", "xxaxxbxx", true},
		{"*a*b*", "xxbxxaxx", false}, {"a*a", "a", false}, {"*?", "", false}, {"a\\*", "a*", false},
		{strings.Repeat("*a", 200), strings.Repeat("a", 199), false},
	} {
		if got := match(tt.p, tt.s); got != tt.want {
			t.Errorf("match(%q, %q): got %v, want %v", tt.p, tt.s, got, tt.want)
		}
	}
}

func FuzzParseSigners(f *testing.F) {
	_, pub := keyPair(f)
	for _, s := range []string{pub, "a " + pub, `a,b namespaces="x,!y",valid-after="20240101Z" ` + pub + " c", "# x", `"a b" ` + pub,
		"ecdsa-sha2-nistp256 AAAA", "a cert-authority " + pub, "sk-ssh-ed25519@openssh.com AAAA"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSigners("fuzz", data)
		if err != nil {
			if s != nil {
				t.Fatal("an error and keys")
			}
			return
		}
		if len(s.entries) == 0 {
			t.Fatal("neither an error nor a key")
		}
		for _, a := range s.entries {
			if checkKey(a.key) != nil {
				t.Fatal("a key that is not accepted is in the list")
			}
			if !bytes.Contains(data, []byte(a.key.Type())) {
				t.Fatal("a key of a type that does not stand there")
			}
			for _, p := range append(a.principals, a.namespaces...) {
				if p == "" || strings.ContainsAny(p, ",\x00\n") {
					t.Fatalf("pattern %q", p)
				}
			}
			// What was read and is written again is the same trust.
			line := string(ssh.MarshalAuthorizedKey(a.key))
			if again, err := ParseSigners("again", []byte(line)); err != nil || len(again.entries) != 1 {
				t.Fatalf("%q: %v", line, err)
			}
			s.matchKey(a.key, SignatureNamespace, time.Unix(0, 0))
		}
		s.expected()
	})
}
