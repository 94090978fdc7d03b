package main

import (
	"bytes"
	"crypto"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"satchel/aptmirror/archivetest"
)

// on is noon of 1 January of a year.
func on(year int) time.Time { return time.Date(year, 1, 1, 12, 0, 0, 0, time.UTC) }

// keyFrom puts an OpenPGP key of a year that lives so many years, 0 for ever, into the
// world: its public half among the keys, its secret one beside.
func (w *world) keyFrom(t *testing.T, name string, year, years int) *openpgp.Entity {
	t.Helper()
	key, err := openpgp.NewEntity(name, "", name+"@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA,
		KeyLifetimeSecs: uint32(years * 365 * 86400), Time: func() time.Time { return on(year) }})
	if err != nil {
		t.Fatal(err)
	}
	var public, secret bytes.Buffer
	if err := errors.Join(key.Serialize(&public), key.SerializePrivateWithoutSigning(&secret, nil)); err != nil {
		t.Fatal(err)
	}
	w.write(t, "keys/"+name+".gpg", public.String())
	w.write(t, name+".key", secret.String())
	return key
}

// signedIn puts an assert into the tree, with a signature of a year.
func (w *world) signedIn(t *testing.T, year int, key *openpgp.Entity, signer string) string {
	t.Helper()
	text := strings.ReplaceAll(pAssert, strings.Repeat("3", 64), hashOf(pDescriptor))
	file := w.put(t, signer, text)
	var sig bytes.Buffer
	if err := openpgp.DetachSign(&sig, key, strings.NewReader(text), &packet.Config{DefaultHash: crypto.SHA512, Time: func() time.Time { return on(year) }}); err != nil {
		t.Fatal(err)
	}
	w.write(t, "sigs/1.0/"+signer+"/p-build.assert.sig", sig.String())
	return file
}

// TestWrongClock runs the very program on machines whose clocks are far off: what it
// judges by the clock it judges by that one, and where the clock may be what is wrong it
// says so. What needs no clock does not care.
func TestWrongClock(t *testing.T) {
	w := newWorld(t)
	alice := w.keyFrom(t, "alice", 2020, 0)
	short := w.keyFrom(t, "short", 2020, 5)
	late := w.keyFrom(t, "late", 2090, 0)
	w.policy(t, "alice")
	assert := w.signedIn(t, 2021, alice, "alice")
	w.signedIn(t, 2024, short, "short")
	w.signedIn(t, 2100, late, "late")
	w.write(t, "from/p-res.yml", strings.Split(pAssert, "- release")[0])

	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(w.dir, "key"))
	public, err := os.ReadFile(filepath.Join(w.dir, "key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "this-decade", `zoe valid-after="20200101Z",valid-before="20300101Z" `+string(public))
	a := newArchive(t, archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "2.0-1", "Depends: base\n"))
	w.write(t, "archive.gpg", string(a.Keyring(t)))
	w.write(t, "tool.yml", strings.ReplaceAll(toolDescriptor, "'", `"`))
	online := []string{"--base-packages", "base", "--archive-keyring", "archive.gpg", "--apt-sources", "apt", "--mirrors-only",
		"--mirror", "debian=" + a.URL + "/debian", "--mirror", "debian-security=" + a.URL + "/debian-security"}
	today := exec.Command(os.Args[0], append([]string{"gather", "tool.yml", "-o", "tool.satchel", "--sign", "key"}, online...)...)
	today.Dir, today.Env = w.dir, append(os.Environ(), asSatchel+"=1")
	if out, err := today.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var (
		compare = []string{"compare", "sigs/1.0", "--keyring", "keys"}
		check   = []string{"check", "a.tar", "--against", "sigs", "--policy", "policy.yaml"}
		lock    = append([]string{"lock", "tool.yml", "-o", "tool.lock"}, online...)
		again   = []string{"lock", "p.yml", "-o", "p.lock", "--from-assert", assert, "--assert-keyring", "keys", "--apt-sources", "apt", "--mirrors-only"}
		verify  = []string{"verify", "tool.satchel", "--keyring", "key.pub"}
		decade  = []string{"verify", "tool.satchel", "--keyring", "this-decade"}
	)
	attest := func(key string) []string {
		return []string{"attest", "from", "--signer", "zoe", "--release", "1.0", "-d", "mine", "--key", key}
	}
	for _, tt := range []struct {
		year  int
		want  int
		words string // all of them, between bars
		args  []string
	}{
		{1999, exitNotVerified, "alice A 1 1 from the future|check this machine's clock|(3 from the future: this machine's clock says 1999-01-01; is it right?)", compare},
		{2022, exitDone, "alice A 1 1 good|late A 1 1 from the future|short A 1 1 from the future", compare},
		{2037, exitDone, "alice A 1 1 good|late A 1 1 from the future|short A 1 1 good, old", compare},
		{2300, exitDone, "alice A 1 1 good|late A 1 1 good|short A 1 1 good, old", compare},
		{1999, exitNotVerified, "does not count alice from the future|the policy wants 1 (3 from the future: this machine's clock says 1999-01-01; is it right?)", check},
		{2037, exitDone, "vouches alice 1 good", check},
		{2300, exitDone, "vouches alice 1 good", check},
		{1999, exitFailed, "it has no secret key that may sign on 1999-01-01, which it is by this machine's clock", attest("alice.key")},
		{2037, exitFailed, "it has no secret key that may sign on 2037-01-01, which it is by this machine's clock (expired", attest("short.key")},
		{2300, exitFailed, "by this machine's clock it is 2300-01-01, and no OpenPGP signature can say so: set the clock", attest("alice.key")},
		{2037, exitDone, "mine/1.0/zoe/p-build.assert", attest("alice.key")},
		{2300, exitDone, "signed by SHA256:", []string{"attest", "from", "--signer", "yan", "--release", "1.0", "-d", "mine", "--key", "key"}}, // says no date
		{2022, exitNotVerified, "zoe A 1 1 from the future", []string{"compare", "mine", "--keyring", "keys"}},
		{2037, exitDone, "zoe A 1 1 good", []string{"compare", "mine", "--keyring", "keys"}},
		{1999, exitFailed, "from the future: check this machine's clock", lock},
		{2037, exitFailed, "and it is 2037-01-01T|this machine's clock is wrong", lock},
		{2300, exitFailed, "and it is 2300-01-01T|this machine's clock is wrong", lock},
		{2300, exitDone, "", append(lock[:len(lock):len(lock)], "--ignore-expiry")},
		{1999, exitNotVerified, "its signature is from the future|check this machine's clock", again},
		{2037, exitMissing, "", again}, // the assert is believed, and then no archive is there
		{1999, exitDone, "", verify},
		{2037, exitDone, "", verify},
		{2300, exitDone, "", verify},
		{1999, exitNotVerified, "not valid yet: valid-after 2020-01-01|by this machine's clock it is 1999-01-01", decade},
		{2037, exitNotVerified, "not valid any more: valid-before 2030-01-01|by this machine's clock it is 2037-01-01", decade},
		{2022, exitDone, "", decade},
	} {
		code, out := onDay(t, on(tt.year), w.dir, nil, tt.args...)
		if code != tt.want {
			t.Errorf("%d: satchel %q: exit status %d, want %d\n%s", tt.year, tt.args, code, tt.want, out)
		}
		for _, words := range strings.Split(tt.words, "|") {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), words) {
				t.Errorf("%d: satchel %q does not say %q:\n%s", tt.year, tt.args, words, out)
			}
		}
	}
}
