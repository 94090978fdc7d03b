package sigs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"satchel/manifest/compare"
)

// clockwork is a gpg whose clock stands where it is told.
type clockwork struct{ home, gpg string }

// run runs gpg at a time; in is what it reads.
func (c clockwork) run(t *testing.T, when time.Time, in string, args ...string) string {
	t.Helper()
	cmd := exec.Command(c.gpg, append([]string{"--homedir", c.home, "--yes", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "",
		"--faked-system-time", when.Format("20060102T150405") + "!", "--ignore-time-conflict"}, args...)...)
	cmd.Stdin = strings.NewReader(in)
	var story bytes.Buffer
	cmd.Stderr = &story
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpg %q: %v\n%s", args, err, story.String())
	}
	return string(out)
}

// at runs gpg as programs do.
func (c clockwork) at(t *testing.T, when time.Time, in string, args ...string) string {
	t.Helper()
	return c.run(t, when, in, append([]string{"--batch"}, args...)...)
}

// key makes a key for signing, with a subkey for signing if that is wanted, and
// returns the fingerprints.
func (c clockwork) key(t *testing.T, when time.Time, name string, subkey bool) (primary, sub string) {
	t.Helper()
	c.at(t, when, "", "--quick-generate-key", name, "ed25519", "sign", "0")
	prints := func() (all []string) {
		for line := range strings.Lines(c.at(t, when, "", "--with-colons", "--list-keys", "="+name)) {
			if f := strings.Split(line, ":"); f[0] == "fpr" {
				all = append(all, f[9])
			}
		}
		return all
	}
	primary = prints()[0]
	if subkey {
		c.at(t, when, "", "--quick-add-key", primary, "ed25519", "sign", "0")
		sub = prints()[1]
	}
	return primary, sub
}

// revoke imports the revocation that gpg made with the key, for no reason, or makes
// one for a reason by its number.
func (c clockwork) revoke(t *testing.T, when time.Time, primary, reason string) {
	t.Helper()
	file := filepath.Join(c.home, "openpgp-revocs.d", primary+".rev")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	made := strings.Replace(string(text), ":-----BEGIN", "-----BEGIN", 1)
	if reason != "" {
		made = c.talk(t, when, "y\n"+reason+"\n\ny\n", "--gen-revoke", primary)
	}
	c.at(t, when, made, "--import")
}

// talk answers what gpg asks, as it does not in batches.
func (c clockwork) talk(t *testing.T, when time.Time, answers string, args ...string) string {
	t.Helper()
	return c.run(t, when, answers, append([]string{"--command-fd", "0", "--status-fd", "2"}, args...)...)
}

// TestKeysAgainstGpg: what becomes of keys and subkeys after, or before, they sign;
// what gpg says of each, and what we say, of an assert and of a list of sums.
func TestKeysAgainstGpg(t *testing.T) {
	c := clockwork{home: gnupg(t), gpg: needTool(t, "gpg")}
	year := func(n int) time.Time { return time.Date(2010+n, 1, 1, 0, 0, 0, 0, time.UTC) }
	doc := []byte(assert(t, "1.0", "x"))
	sums := []byte(strings.Repeat("1", 64) + "  p.tar.gz\n")
	signatures := func(when time.Time, by string, more ...string) [2]string {
		args := append(append([]string{"-u", by}, more...), "--detach-sign", "--output", "-")
		return [2]string{c.sign(t, when, doc, args...), c.sign(t, when, sums, args...)}
	}
	type fate struct {
		name string
		sigs [2]string
		gpg  string // its status
		ours compare.Status
	}
	var fates []fate
	note := func(name string, sigs [2]string, gpg string, ours compare.Status) {
		fates = append(fates, fate{name: name, sigs: sigs, gpg: gpg, ours: ours})
	}
	good, _ := c.key(t, year(0), "good", false)
	note("good", signatures(year(1), good), "GOODSIG", compare.Good)
	note("a signature for a year", signatures(year(1), good, "--default-sig-expire", "1y"), "EXPSIG", compare.Expired)
	note("a signature for long", signatures(year(1), good, "--default-sig-expire", "50y"), "GOODSIG", compare.Good)
	note("from the future", signatures(year(60), good), "", compare.Future)

	expired, _ := c.key(t, year(0), "expired", false)
	before, after := signatures(year(2), expired), signatures(year(6), expired)
	c.at(t, year(1), "", "--quick-set-expire", expired, year(4).Format(time.DateOnly))
	note("before the key expired", before, "EXPKEYSIG", compare.Old)
	note("after the key expired", after, "EXPKEYSIG", compare.ExpiredKey)

	for _, r := range []struct {
		reason        string
		before, after compare.Status
	}{{"", compare.RevokedKey, compare.RevokedKey}, {"0", compare.RevokedKey, compare.RevokedKey}, {"1", compare.RevokedKey, compare.RevokedKey},
		{"2", compare.Good, compare.RevokedKey}, {"3", compare.Good, compare.RevokedKey}} {
		key, _ := c.key(t, year(0), "revoked, reason "+r.reason+".", false)
		before, after := signatures(year(2), key), signatures(year(6), key)
		when := year(4)
		if r.reason == "" {
			when = year(0) // gpg dates the one that it keeps ready as the key
		}
		c.revoke(t, when, key, r.reason)
		note("before it was revoked for reason "+r.reason, before, "REVKEYSIG", r.before)
		note("after it was revoked for reason "+r.reason, after, "REVKEYSIG", r.after)
	}

	whole, sub := c.key(t, year(0), "subkey", true)
	note("by a subkey", signatures(year(1), sub+"!"), "GOODSIG", compare.Good)
	note("by its primary key", signatures(year(1), whole+"!"), "GOODSIG", compare.Good)

	primary, sub := c.key(t, year(0), "expired subkey", true)
	before, after = signatures(year(2), sub+"!"), signatures(year(6), sub+"!")
	c.at(t, year(1), "", "--quick-set-expire", primary, year(4).Format(time.DateOnly), sub)
	note("before the subkey expired", before, "EXPKEYSIG", compare.Old)
	note("after the subkey expired", after, "EXPKEYSIG", compare.ExpiredKey)
	note("by the primary key of an expired subkey", signatures(year(6), primary+"!"), "GOODSIG", compare.Good)

	primary, sub = c.key(t, year(0), "expired primary", true)
	before, after = signatures(year(2), sub+"!"), signatures(year(6), sub+"!")
	c.at(t, year(1), "", "--quick-set-expire", primary, year(4).Format(time.DateOnly))
	note("a subkey, before its primary key expired", before, "EXPKEYSIG", compare.Old)
	note("a subkey, after its primary key expired", after, "EXPKEYSIG", compare.ExpiredKey)

	primary, sub = c.key(t, year(0), "revoked subkey", true)
	before = signatures(year(2), sub+"!")
	own := signatures(year(6), primary+"!")
	c.talk(t, year(4), "key 1\nrevkey\ny\n0\n\ny\nsave\n", "--edit-key", primary)
	note("before the subkey was revoked", before, "REVKEYSIG", compare.RevokedKey)
	note("by the primary key of a revoked subkey", own, "GOODSIG", compare.Good)

	primary, sub = c.key(t, year(0), "revoked primary", true)
	before = signatures(year(2), sub+"!")
	c.revoke(t, year(0), primary, "")
	note("a subkey of a revoked key", before, "REVKEYSIG", compare.RevokedKey)

	ring := c.at(t, year(7), "", "--export")
	stranger, _ := c.key(t, year(0), "stranger", false)
	note("by a stranger", signatures(year(1), stranger), "ERRSIG", compare.UnknownKey)
	note("of another file", [2]string{c.sign(t, year(1), []byte("x"), "-u", good, "--detach-sign", "--output", "-"), c.sign(t, year(1), []byte("y"), "-u", good, "--detach-sign", "--output", "-")}, "BADSIG", compare.Bad)

	keys, err := ReadKeys([]KeyFile{{"ring.gpg", "", []byte(ring)}})
	if err != nil {
		t.Fatal(err)
	}
	judge := clockwork{home: gnupg(t), gpg: c.gpg}
	judge.at(t, year(7), ring, "--import")
	f := fstest.MapFS{}
	for i, x := range fates {
		for k, text := range [][]byte{doc, sums} {
			says := judge.verify(t, year(8), text, x.sigs[k])
			if x.gpg != "" && !slices.Contains(says, x.gpg) {
				t.Errorf("%s: gpg says %q, want %s", x.name, says, x.gpg)
			}
			if x.ours.Counts() && !slices.Contains([]string{"GOODSIG", "EXPKEYSIG", "REVKEYSIG"}, x.gpg) {
				t.Errorf("%s: this test lets count what gpg does not", x.name)
			}
		}
		for name, text := range map[string][]byte{"p-build.assert": doc, "all.SHA256SUMS": sums} {
			file := fmt.Sprintf("1.0/%02d/%s", i, name)
			sig := x.sigs[0]
			if name == "all.SHA256SUMS" {
				sig = x.sigs[1]
			}
			f[file], f[file+".sig"] = &fstest.MapFile{Data: text}, &fstest.MapFile{Data: []byte(sig)}
		}
	}
	seen := map[compare.Status]int{}
	for _, r := range compareTree(t, Reader{FS: f, Keys: keys, Now: year(8)}, "t") {
		for i, b := range r.Builders {
			seen[b.Signature.Status]++
			if b.Signature.Status != fates[i].ours {
				t.Errorf("%s of %s: got %s (%s), want %s", fates[i].name, b.File, b.Signature.Status, b.Signature.Note, fates[i].ours)
			}
		}
	}
	if len(seen) < 8 {
		t.Errorf("only these were seen: %v", seen)
	}
}

func (c clockwork) sign(t *testing.T, when time.Time, doc []byte, args ...string) string {
	t.Helper()
	return c.at(t, when, string(doc), args...)
}

// verify is what gpg says of a signature, by its status words.
func (c clockwork) verify(t *testing.T, when time.Time, doc []byte, sig string) (words []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sig")
	if err := os.WriteFile(file, []byte(sig), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(c.gpg, "--homedir", c.home, "--batch", "--no-tty", "--trust-model", "always", "--status-fd", "1",
		"--faked-system-time", when.Format("20060102T150405")+"!", "--ignore-time-conflict", "--verify", file, "-")
	cmd.Stdin = bytes.NewReader(doc)
	out, _ := cmd.Output() // its exit code says less
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "[GNUPG:]" {
			words = append(words, f[1])
		}
	}
	return words
}
