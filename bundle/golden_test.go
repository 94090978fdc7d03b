package bundle

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listing shows a bundle: identity, hash of the file, and each entry with its
// offset and size.
func listing(t *testing.T, data []byte) string {
	t.Helper()
	l, err := open(t, data).layout()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "identity %s\nfile     sha256:%x\n\n", l.identity(), sha256.Sum256(data))
	names := titles(l.lock)
	line := func(at int64, name string, size int64, what string) {
		fmt.Fprintf(&b, "%6d %6d %s", at, size, name)
		if what != "" {
			fmt.Fprintf(&b, "  %s", what)
		}
		b.WriteByte('\n')
	}
	at := int64(0)
	what := map[int]string{2: "the manifest", 3: "the lock", 4: "the empty config"}
	for i, f := range frontFiles(t, l) {
		switch {
		case i > 4 && f.name != fillerName:
			what[i] = []string{"referrer", "signature"}[(i-5)%2]
		}
		line(at, f.name, int64(len(f.content)), what[i])
		at += entrySize(int64(len(f.content)))
	}
	for _, e := range l.bulk {
		line(e.at, blobName(e.blob.SHA256), e.blob.Size, names[e.blob.SHA256])
	}
	fmt.Fprintf(&b, "%6d %6d end\n", l.size-endSize, endSize)
	return b.String()
}

// TestGolden: a bundle that was made once is still read, and still made, the
// same. SATCHEL_UPDATE=1 makes a new one: only ever with a new format version.
func TestGolden(t *testing.T) {
	file, list, keys := filepath.Join("testdata", "golden.satchel"), filepath.Join("testdata", "golden.txt"), filepath.Join("testdata", "golden.signers")
	if os.Getenv("SATCHEL_UPDATE") == "1" {
		fix := newFixture(t)
		alice, pub := keyPair(t)
		data := fix.write(t, alice)
		writeFile(t, file, data)
		writeFile(t, list, []byte(listing(t, data)))
		writeFile(t, keys, []byte("alice@example.org "+pub+"\n"))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, data)
	v, _, err := f.Verify(t.Context(), Policy{AllowedSigners: signers(t, string(text)), Threshold: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(t, data); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var again bytes.Buffer
	if _, err := Write(t.Context(), &again, v.Lock(), v, f.Signatures(), nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), data) {
		t.Error("the bundle is written differently now")
	}
}
