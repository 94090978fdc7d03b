package aptmirror

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadKeyringsIsJoinKeyrings: this machine's keyrings, of which most keys are
// in several, and one key in two states, read at once or one by one and joined.
func TestReadKeyringsIsJoinKeyrings(t *testing.T) {
	var files []KeyringFile
	for _, pattern := range []string{"/usr/share/keyrings/*.gpg", "/etc/apt/trusted.gpg.d/*"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, KeyringFile{name, data})
		}
	}
	if len(files) < 2 {
		need(t, "archive keyrings")
	}
	whole, err := ReadKeyrings(files)
	if err != nil {
		t.Fatal(err)
	}
	last := whole.certs[whole.Fingerprints()[0]].raw[0]
	p, rest, err := cutPacket(last) // a copy of the key that says less
	if err != nil {
		t.Fatal(err)
	}
	_, rest, err = cutPacket(rest)
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, KeyringFile{"less", append(bytes.Clone(p.raw), last[len(p.raw):len(last)-len(rest)]...)})
	var rings []*Keyring
	for _, f := range files {
		k, err := ReadKeyring(f.Name, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		rings = append(rings, k)
	}
	joined, err := JoinKeyrings(rings...)
	if err != nil {
		t.Fatal(err)
	}
	if whole, err = ReadKeyrings(files); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(whole.Fingerprints(), " "), strings.Join(joined.Fingerprints(), " "); got != want {
		t.Fatalf("got %s\nwant %s", got, want)
	}
	for _, print := range whole.Fingerprints() {
		got, _ := whole.Subset([]string{print})
		want, _ := joined.Subset([]string{print})
		if !bytes.Equal(got, want) {
			t.Errorf("%s: other packets", print)
		}
		a, b := whole.certs[print], joined.certs[print]
		a.settled()
		b.settled()
		if len(a.keys) != len(b.keys) {
			t.Fatalf("%s: %d keys, want %d", print, len(a.keys), len(b.keys))
		}
		for i := range a.keys {
			x, y := a.keys[i], b.keys[i]
			if (x.self == nil) != (y.self == nil) || x.self != nil && !x.self.CreationTime.Equal(y.self.CreationTime) ||
				len(x.revocations) != len(y.revocations) || x.disowned != y.disowned {
				t.Errorf("%s: key %d is another", print, i)
			}
		}
	}
	if len(whole.certs) == 0 || len(whole.certs[whole.Fingerprints()[0]].raw) < 2 {
		t.Error("no key in two states")
	}
}

// TestNoUsableKey: each of several keyrings needs one, though others have some.
func TestNoUsableKey(t *testing.T) {
	const good = "/usr/share/keyrings/debian-archive-keyring.gpg"
	data, err := os.ReadFile(good)
	if err != nil {
		need(t, good)
	}
	_, err = ReadKeyrings([]KeyringFile{{good, data}, {"none", []byte{0x98, 10, 9, 0, 0, 0, 0, 99, 0, 0, 0, 0}}})
	if err == nil || !strings.Contains(err.Error(), "keyring none: it has no key") {
		t.Errorf("got %v", err)
	}
}
