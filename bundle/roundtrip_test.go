package bundle

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"satchel/manifest"
)

// open reads a bundle that is held in memory.
func open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := New("test", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRoundTrip(t *testing.T) {
	fix := newFixture(t)
	alice, alicePub := keyPair(t)
	data := fix.write(t, alice)
	f := open(t, data)
	policy := Policy{AllowedSigners: signers(t, "alice@example.org "+alicePub), Threshold: 1}
	check := func(v *Verified, report *Report, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if v.Identity() != f.Identity() || report.Identity != f.Identity() || f.Identity().IsZero() {
			t.Errorf("identities differ: %s, %s, %s", v.Identity(), report.Identity, f.Identity())
		}
		if len(report.Signatures) != 1 || !report.Signatures[0].Trusted || report.Trusted != 1 {
			t.Errorf("got signatures %+v, want one that is trusted", report.Signatures)
		}
		for d, want := range fix.blobs {
			rc, err := v.Open(manifest.Blob{SHA256: d, Size: int64(len(want))})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(rc)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("blob %s: got %q, %v; want %q", d, got, err, want)
			}
			rc.Close()
		}
		if _, err := v.Open(manifest.Blob{SHA256: manifest.Sum([]byte("no")), Size: 2}); !errors.Is(err, ErrMissing) {
			t.Errorf("opening an unknown blob: got %v, want ErrMissing", err)
		}
	}
	check(f.Verify(t.Context(), policy, nil))
	kept := memory{}
	check(VerifyStream(t.Context(), bytes.NewReader(data), policy, kept, nil))
	if size, err := f.Size(); err != nil || size != int64(len(data)) {
		t.Errorf("got size %d, %v; want %d", size, err, len(data))
	}
}

// TestDeterminism: the same lock gives the same bytes, in whatever order the
// signatures come.
func TestDeterminism(t *testing.T) {
	fix := newFixture(t)
	var all []Signer
	for range 5 {
		s, _ := keyPair(t)
		all = append(all, s)
	}
	first := fix.write(t, all...)
	for i := range all {
		if !bytes.Equal(fix.write(t, append(all[i:len(all):len(all)], all[:i]...)...), first) {
			t.Fatalf("order %d of the signatures changes the bytes", i)
		}
	}
	again, err := manifest.ParseLock("again", mustMarshal(t, fix.lock))
	if err != nil {
		t.Fatal(err)
	}
	fix.lock = again
	if !bytes.Equal(fix.write(t, all...), first) {
		t.Error("a lock that was read again gives other bytes")
	}
	if a, b := open(t, fix.write(t)), open(t, first); a.Identity() != b.Identity() || a.front.end != b.front.end {
		t.Error("signatures change the identity or move the bulk")
	}
}

func mustMarshal(t testing.TB, l *manifest.Lock) []byte {
	t.Helper()
	b, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNothingIsVerifiedByItself(t *testing.T) {
	var v Verified
	if v.Lock() != nil || !v.Identity().IsZero() || v.LockText() != nil {
		t.Error("a Verified that nobody verified answers")
	}
	if _, err := v.Open(manifest.Blob{SHA256: manifest.Sum(nil)}); err == nil {
		t.Error("a Verified that nobody verified opens blobs")
	}
}
