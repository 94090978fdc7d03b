package aptmirror

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The reference for signed files is gpgv, as apt asks it, and besides Sequoia:
// sqop for clear-signed files, sqv for detached signatures. What we accept all
// of them must accept, and they must have read the very same text.

// agree gives one clear-signed file to everybody. It reports whether we accept
// it; where we do and another does not, or reads another text, the test fails.
func agree(t testing.TB, name string, ring, data []byte) bool {
	t.Helper()
	k, err := ReadKeyring("test", ring)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.VerifyInRelease(data, time.Now()); err != nil {
		return false
	}
	c, err := splitClearsigned(data)
	if err != nil {
		t.Fatal(err)
	}
	_, text, story := gpgv(t, ring, data)
	if !aptAccepts(story) {
		t.Errorf("%s: we accept, gpgv refuses:\n%s", name, story)
	} else if want := withEnd(c.text); text != want {
		t.Errorf("%s: we read\n%q, gpgv\n%q", name, want, text)
	}
	ok, text, story := sqop(t, ring, data)
	if !ok && weakFirst(data) {
		return true
	}
	if !ok {
		t.Errorf("%s: we accept, sqop refuses: %s", name, story)
	} else if want := withEnd(c.text); text != want {
		t.Errorf("%s: we read\n%q, sqop\n%q", name, want, text)
	}
	return true
}

// agreeDetached is agree for a Release and its Release.gpg. The others get the
// packets, as gpgv gets them from apt.
func agreeDetached(t testing.TB, name string, ring, release, sig []byte) bool {
	t.Helper()
	k, err := ReadKeyring("test", ring)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.VerifyRelease(release, sig, time.Now()); err != nil {
		return false
	}
	packets, err := detached(sig)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, story := gpgv(t, ring, release, packets); !aptAccepts(story) {
		t.Errorf("%s: we accept, gpgv refuses:\n%s", name, story)
	}
	if ok, story := sqv(t, ring, release, packets); !ok {
		t.Errorf("%s: we accept, sqv refuses: %s", name, story)
	}
	return true
}

// weakFirst: sqop 0.27 takes no message whose first Hash header begins with a
// weak hash, however strong the signatures are. gpgv and apt do, and nobody reads
// another text for it.
func weakFirst(data []byte) bool {
	_, rest := cutLine(data)
	line, _ := cutLine(rest)
	first, _, _ := strings.Cut(strings.TrimPrefix(string(line), "Hash: "), ",")
	return strings.Contains("SHA1 RIPEMD160", strings.Trim(first, " \t"))
}

// withEnd is the text with the end of its last line, which is not signed, as
// others print it.
func withEnd(text []byte) string { return string(text) + "\n" }

// aptAccepts is how apt's method judges what gpgv says: a good signature, and
// none that is bad. Signatures by keys that are not there do not count.
func aptAccepts(status string) bool {
	good := strings.Contains(status, "[GNUPG:] GOODSIG ") || strings.Contains(status, "[GNUPG:] EXPKEYSIG ")
	return good && strings.Contains(status, "[GNUPG:] VALIDSIG ") && !strings.Contains(status, "[GNUPG:] BADSIG ")
}

// sqop asks Sequoia for its verdict on a clear-signed file and its text.
func sqop(t testing.TB, ring, data []byte) (ok bool, text, story string) {
	t.Helper()
	return sequoia(t, "sqop", ring, data, func(dir string) []string { return []string{"inline-verify", dir + "/ring.gpg"} })
}

// sqv asks it for its verdict on a detached signature.
func sqv(t testing.TB, ring, data, sig []byte) (ok bool, story string) {
	t.Helper()
	ok, _, story = sequoia(t, "sqv", ring, data, func(dir string) []string {
		if err := os.WriteFile(filepath.Join(dir, "Release.gpg"), sig, 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--keyring", dir + "/ring.gpg", dir + "/Release.gpg", dir + "/Release"}
	})
	return ok, story
}

func sequoia(t testing.TB, name string, ring, data []byte, args func(dir string) []string) (ok bool, out, story string) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		need(t, name)
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"ring.gpg": ring, "Release": data} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, args(dir)...)
	cmd.Stdin = bytes.NewReader(data)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return err == nil, stdout.String(), stderr.String()
}
