package bundle

import (
	"bytes"
	"errors"
	"testing"

	"satchel/manifest"
)

// TestVouch: the front alone is read, trust is decided by it, and a blob that is
// opened afterwards is checked.
func TestVouch(t *testing.T) {
	fix := newFixture(t)
	alice, alicePub := keyPair(t)
	_, malloryPub := keyPair(t)
	data := fix.write(t, alice)
	trusted := Policy{AllowedSigners: signers(t, "alice "+alicePub), Threshold: 1}

	c := &countingReader{r: bytes.NewReader(data)}
	f, err := New("test", c, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, report, err := f.Vouch(Policy{AllowedSigners: signers(t, "m "+malloryPub), Threshold: 1}); !errors.Is(err, ErrUntrusted) || len(report.Signatures) != 1 {
		t.Errorf("another signer: %v, %+v", err, report)
	}
	if _, _, err := f.Vouch(Policy{Threshold: 1}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a policy that knows nobody: %v", err)
	}
	if _, _, err := f.Vouch(Policy{}); err == nil {
		t.Error("the zero policy trusts a bundle")
	}
	v, report, err := f.Vouch(trusted)
	if err != nil || report.Trusted != 1 {
		t.Fatalf("got %v, %+v", err, report)
	}
	if c.last.Load() > f.front.end {
		t.Errorf("read up to %d, and the front ends at %d", c.last.Load(), f.front.end)
	}
	index := v.Lock().Archives[0].Indexes[0].Blob
	text, err := v.Read(index, 1<<20)
	if err != nil || manifest.Sum(text) != index.SHA256 {
		t.Errorf("an index: %d bytes, %v", len(text), err)
	}
	if _, err := v.Read(index, index.Size-1); err == nil {
		t.Error("more was read than was allowed")
	}
	if _, err := v.Read(manifest.Blob{SHA256: manifest.Sum([]byte("x")), Size: 1}, 1); !errors.Is(err, ErrMissing) {
		t.Errorf("a blob that the lock does not name: %v", err)
	}

	at := bytes.Index(data, text)
	data[at+len(text)/2] ^= 1
	if v, _, err = open(t, data).Vouch(trusted); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Read(index, 1<<20); got != nil || !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("a damaged index: %d bytes, %v", len(got), err)
	}
	if _, _, err := open(t, data[:len(data)-512]).Vouch(trusted); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a file that is cut: %v", err)
	}
}
