package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSignersToldApart: every fate that a signature of gpg's can have is told apart by
// compare, and check counts the good ones alone. The keys are gpg's own, made, expired
// and revoked at times of the past.
func TestSignersToldApart(t *testing.T) {
	w := newWorld(t, "good", "stranger", "changed")
	gpgAt := func(day string, args ...string) string {
		t.Helper()
		return run(t, "gpg", append([]string{"--batch", "--yes", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback",
			"--ignore-time-conflict", "--faked-system-time", day + "T120000!"}, args...)...)
	}
	print := func(name string) string {
		t.Helper()
		_, after, ok := strings.Cut(run(t, "gpg", "--batch", "--with-colons", "--list-keys", "="+name), "\nfpr:")
		if !ok {
			t.Fatalf("gpg has no key %s", name)
		}
		return strings.Trim(strings.SplitN(after, "\n", 2)[0], ":")
	}
	text := strings.ReplaceAll(pAssert, strings.Repeat("3", 64), hashOf(pDescriptor))
	// signs puts an assert of that name into the tree, signed on a day with its key.
	signs := func(name, day string) {
		t.Helper()
		gpgAt(day, "--local-user", "="+name, "--detach-sign", w.put(t, name, text))
	}
	for _, name := range []string{"old", "expired", "revoked"} {
		gpgAt("20200101", "--quick-generate-key", name, "ed25519", "sign", "0")
	}
	signs("old", "20200601")
	signs("expired", "20220601")
	signs("revoked", "20200601")
	for _, name := range []string{"old", "expired"} {
		gpgAt("20200701", "--quick-set-expire", print(name), "20210101T000000")
	}
	made, err := os.ReadFile(filepath.Join(os.Getenv("GNUPGHOME"), "openpgp-revocs.d", print("revoked")+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	gpgAt("20210101", "--import", w.write(t, "revocation", strings.Replace(string(made), ":-----BEGIN", "-----BEGIN", 1)))
	for _, name := range []string{"old", "expired", "revoked"} {
		w.write(t, "keys/"+name+".gpg", run(t, "gpg", "--batch", "--export", "="+name))
	}
	w.put(t, "good", text, "--local-user", "=good")
	w.put(t, "stranger", text, "--local-user", "=stranger")
	if err := os.Remove(filepath.Join(w.keys, "stranger.gpg")); err != nil {
		t.Fatal(err)
	}
	signature := w.put(t, "changed", text+"\n", "--local-user", "=changed") + ".sig"
	w.put(t, "changed", text)
	if _, err := os.Stat(signature); err != nil {
		t.Fatal(err)
	}
	w.put(t, "silent", text)

	w.ends(t, exitNotVerified, []string{
		"good A 1 1 good ", "old A 1 1 good, old", "expired A 1 1 expired key", "revoked A 1 1 revoked",
		"stranger A 1 1 unknown key", "changed - - 1 bad ", "silent A 1 1 missing",
	}, append(w.compare(), "--threshold", "2")...)
	if err := os.RemoveAll(filepath.Join(w.dir, "sigs", "1.0", "changed")); err != nil { // which nothing outweighs
		t.Fatal(err)
	}
	w.ends(t, exitNotVerified, []string{"2 of 3"}, append(w.compare(), "--threshold", "3")...)
	w.ends(t, exitDone, []string{"all 6 agree"}, append(w.compare(), "--threshold", "2")...)
	for owner, want := range map[string]int{"good": exitDone, "old": exitDone, "expired": exitNotVerified, "revoked": exitNotVerified} {
		w.policy(t, owner)
		w.ends(t, want, []string{owner}, w.check()...)
	}
}
