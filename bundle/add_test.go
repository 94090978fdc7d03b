package bundle

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestAddSignature: a signature that is added later gives the bytes that Write
// would have given.
func TestAddSignature(t *testing.T) {
	fix := newFixture(t)
	dir := t.TempDir()
	path := writeFile(t, filepath.Join(dir, "a.satchel"), fix.write(t))
	moved := open(t, fix.write(t)).front.end
	var all []Signer
	for i := range 70 { // more than there is room for at first, and than may be
		s, _ := keyPair(t)
		all = append(all, s)
		sig := fix.sign(t, s)[0]
		err := AddSignature(t.Context(), path, sig)
		if i >= MaxSignatures {
			if err == nil {
				t.Fatal("more signatures than may be")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%9 != 0 && i != MaxSignatures-1 {
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, fix.write(t, all...)) {
			t.Fatalf("with %d signatures added the file is not what Write gives", i+1)
		}
		if end := open(t, got).front.end; i < 9 && end != moved {
			t.Errorf("with %d signatures the bulk moved to %d", i+1, end)
		}
	}
	onlyFiles(t, dir, "a.satchel")
}

func TestAddSignatureRefuses(t *testing.T) {
	fix := newFixture(t)
	alice, _ := keyPair(t)
	bob, _ := keyPair(t)
	data := fix.write(t, alice)
	dir := t.TempDir()
	path := writeFile(t, filepath.Join(dir, "a.satchel"), data)
	unchanged := func(what string) {
		t.Helper()
		if got, _ := os.ReadFile(path); !bytes.Equal(got, data) {
			t.Errorf("%s changed the bundle", what)
		}
		onlyFiles(t, dir, "a.satchel")
	}
	if err := AddSignature(t.Context(), path, fix.sign(t, alice)[0]); !errors.Is(err, ErrSigned) {
		t.Errorf("the same key again: got %v, want ErrSigned", err)
	}
	unchanged("the same key")
	if err := AddSignature(t.Context(), path, newFixture(t).sign(t, bob)[0]); err == nil {
		t.Error("a signature of another bundle is added")
	}
	unchanged("a foreign signature")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := AddSignature(ctx, path, fix.sign(t, bob)[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	unchanged("a cancelled addition")
	if err := os.Truncate(path, int64(len(data)-1)); err != nil {
		t.Fatal(err)
	}
	if err := AddSignature(t.Context(), path, fix.sign(t, bob)[0]); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a bundle cut short: got %v, want ErrCorrupt", err)
	}
}
