package sigs

import (
	"bytes"
	"crypto"
	"os"
	"path/filepath"
	"testing"

	"satchel/manifest/compare"
)

// FuzzKeys reads anything as a file of keys beside a good one, and anything as a
// signature: what is over another document never counts, and what is read is read
// alike again.
func FuzzKeys(f *testing.F) {
	alice := newKey(f, "alice", 0)
	doc := []byte("document")
	sig := signed(f, alice, doc, born.AddDate(1, 0, 0), crypto.SHA256)
	own := KeyFile{"alice.gpg", "alice", public(f, alice)}
	s, pub := sshKey(f)
	ssh, err := s.Sign(f.Context(), Namespace, doc)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own.Data, sig)
	f.Add([]byte(pub+" comment\n"), ssh.Armoured)
	f.Add([]byte(`bob namespaces="satchel-assert" `+pub+"\n"), ssh.Armoured)
	f.Add([]byte(`bob,carol valid-before="20250101Z" `+pub+"\n"), ssh.Armoured)
	for _, pattern := range []string{"builder-keys/*.gpg", "asserts/*/*/*.sig"} {
		names, _ := filepath.Glob(filepath.Join(corpusDir(), pattern))
		for _, name := range names {
			if data, err := os.ReadFile(name); err == nil && len(data) < 20000 {
				f.Add(data, sig)
				f.Add(own.Data, data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, ring, sig []byte) {
		keys, err := ReadKeys([]KeyFile{own, {"bob.gpg", "bob", ring}})
		if err != nil {
			if len(err.Error()) > 4096 {
				t.Fatalf("the error has %d bytes", len(err.Error()))
			}
			keys, err = ReadKeys([]KeyFile{own})
			if err != nil {
				t.Fatal(err)
			}
		}
		got, other := keys.Check(doc, sig, now), keys.Check([]byte("another"), sig, now)
		if got.Status.Counts() && other.Status.Counts() {
			t.Fatalf("one signature is over two documents: %+v, %+v", got, other)
		}
		if got.Status.Counts() && got.Key == "" || got.Status == compare.Missing != (len(sig) == 0) {
			t.Fatalf("got %+v", got)
		}
		if again := keys.Check(bytes.Clone(doc), bytes.Clone(sig), now); again != got {
			t.Fatalf("got %+v, then %+v", got, again)
		}
	})
}
