package sigs

import (
	"crypto"
	"fmt"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"

	"satchel/manifest"
	"satchel/manifest/compare"
)

func fingerprint(e *openpgp.Entity) string { return fmt.Sprintf("%X", e.PrimaryKey.Fingerprint) }

// TestVouch: weights of good signatures by the policy's keys add up, once each.
func TestVouch(t *testing.T) {
	alice, alice2, bob, carol, short := newKey(t, "alice", 0), newKey(t, "alice2", 0), newKey(t, "bob", 0), newKey(t, "carol", 0), newKey(t, "short", 500)
	keys := keysOf(t, alice, alice2, bob, carol, short)
	policy := &manifest.Policy{Minimum: 3, Signers: []manifest.PolicySigner{
		{Name: "Alice", Weight: 2, Keys: []string{fingerprint(alice), fingerprint(alice2)}},
		{Name: "Bob", Weight: 1, Keys: []string{fingerprint(bob)}},
		{Name: "Short", Weight: 5, Keys: []string{fingerprint(short)}},
	}}
	when := born.AddDate(1, 0, 0)
	file := manifest.Sum([]byte("x"))
	put := func(f tree, release, signer string, key *openpgp.Entity, what string) {
		doc := assert(t, release, what)
		f.put(release, signer, doc, signed(t, key, doc, when, crypto.SHA256))
	}
	look := func(f tree) (string, int) {
		sets, err := List(f.fs(), "t")
		if err != nil {
			t.Fatal(err)
		}
		all, err := Reader{FS: f.fs(), Keys: keys, Now: now}.Vouch(t.Context(), sets, policy, file)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, v := range all {
			fmt.Fprintf(&b, "%s %s %d %v:", v.Release, v.Path, v.Weight, v.Enough())
			for _, w := range v.Vouchers {
				b.WriteString(" +" + w.Signer)
			}
			for _, w := range v.Others {
				fmt.Fprintf(&b, " ?%s(%s)", w.Signer, w.Status)
			}
			for _, w := range v.Against {
				fmt.Fprintf(&b, " -%s", w.Signer)
			}
			b.WriteString("\n")
		}
		return b.String(), len(all)
	}
	f := tree{}
	put(f, "1.0", "alice", alice, "x")
	if got, _ := look(f); got != "1.0 p.tar.gz 2 false: +Alice\n" {
		t.Errorf("one: got %s", got)
	}
	put(f, "1.0", "other-alice", alice2, "x") // her other key, another folder: still one person
	put(f, "1.0", "carol", carol, "x")        // a good signature of nobody that the policy names
	f.put("1.0", "dora", assert(t, "1.0", "x"), nil)
	put(f, "1.0", "eve", bob, "other")
	if got, _ := look(f); got != "1.0 p.tar.gz 2 false: +Alice ?carol(good) ?dora(missing) -Bob\n" {
		t.Errorf("a person counts once: got %s", got)
	}
	put(f, "1.0", "bob", bob, "x")
	put(f, "1.1", "short", short, "x") // her key expires later; she signed before
	put(f, "1.2", "short", short, "y")
	if got, _ := look(f); got != "1.1 p.tar.gz 5 true: +Short\n1.0 p.tar.gz 3 true: +Alice +Bob ?carol(good) ?dora(missing) -Bob\n" {
		t.Errorf("enough: got %s", got)
	}
	// An honest assert of another release, copied, vouches for nothing here.
	replayed := tree{}
	doc := assert(t, "0.9", "x")
	replayed.put("1.0", "alice", doc, signed(t, alice, doc, when, crypto.SHA256))
	if got, _ := look(replayed); got != "1.0 p.tar.gz 0 false: ?alice("+string(compare.Misplaced)+")\n" {
		t.Errorf("replayed: got %s", got)
	}
	// A hash that is written in escapes is the hash all the same.
	hidden := tree{}
	text := strings.Replace(string(assert(t, "1.0", "x")), "out_manifest: '"+file.Hex()+"  p.tar.gz\n\n    '", `out_manifest: "\x`+fmt.Sprintf("%x", file.Hex()[0])+file.Hex()[1:]+`  p.tar.gz\n"`, 1)
	hidden.put("1.0", "alice", []byte(text), signed(t, alice, []byte(text), when, crypto.SHA256))
	if got, n := look(hidden); n != 1 {
		t.Errorf("hidden: got %s\n%s", got, text)
	}
	if got, n := look(tree{}); n != 0 {
		t.Errorf("nothing: got %s", got)
	}
}
