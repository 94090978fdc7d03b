//go:build linux

package guest

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keystoreOf writes a keystore as Java does: entries are names, and one that begins
// with "key" is a key of one's own with two certificates.
func keystoreOf(version uint32, date uint64, names ...string) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint32(be.AppendUint32(nil, 0xfeedfeed), version), uint32(len(names)))
	text := func(s string) { b = append(be.AppendUint16(b, uint16(len(s))), s...) }
	data := func(s string) { b = append(be.AppendUint32(b, uint32(len(s))), s...) }
	certificate := func(s string) {
		if version == 2 {
			text("X.509")
		}
		data(s)
	}
	for _, n := range names {
		tag := uint32(2)
		if strings.HasPrefix(n, "key") {
			tag = 1
		}
		b = be.AppendUint32(b, tag)
		text(n)
		b = be.AppendUint64(b, date)
		if tag == 1 {
			data("secret")
			b = be.AppendUint32(b, 2)
			certificate("one")
		}
		certificate("certificate of " + n)
	}
	sum := keystoreSum(b)
	return append(b, sum[:]...)
}

func TestRedateKeystore(t *testing.T) {
	for _, version := range []uint32{1, 2} {
		for _, names := range [][]string{nil, {"debian:a.pem"}, {"debian:a.pem", "key", "ü"}} {
			old := keystoreOf(version, 1789000000123, names...)
			got, err := redateKeystore(old, 1_000_000_000)
			if err != nil || !bytes.Equal(got, keystoreOf(version, 1_000_000_000_000, names...)) {
				t.Errorf("version %d, %q: %v\n%q", version, names, err, got)
			}
			if !bytes.Equal(old, keystoreOf(version, 1789000000123, names...)) {
				t.Errorf("version %d, %q: what was given is changed", version, names)
			}
		}
	}
	good := keystoreOf(2, 5, "a", "key")
	resum := func(b []byte) []byte {
		sum := keystoreSum(b)
		return append(b, sum[:]...)
	}
	body := good[:len(good)-20]
	for name, bad := range map[string][]byte{
		"nothing": nil, "cut": good[:len(good)-1], "another password": append(bytes.Clone(body), make([]byte, 20)...),
		"more behind it": resum(append(bytes.Clone(body), 0)), "an entry cut": resum(bytes.Clone(body[:len(body)-3])),
		"another magic": resum(append([]byte{0xfe, 0xed, 0xfe, 0xee}, body[4:]...)), "version 3": resum(append([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 3}, body[8:]...)),
		"more entries than bytes": resum(append([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff}, body[12:]...)),
		"an entry of no kind":     resum(append(bytes.Clone(body[:12]), append([]byte{0, 0, 0, 9}, body[16:]...)...)),
	} {
		if got, err := redateKeystore(bad, 1); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestKeystoreDates: the list where Java looks for it is redated; what is none stays.
func TestKeystoreDates(t *testing.T) {
	old, want := keystoreOf(2, 1789000000123, "a"), keystoreOf(2, 7000, "a")
	for name, c := range map[string]struct{ is, becomes []byte }{"a list": {old, want}, "something else": {[]byte("text"), []byte("text")}} {
		root := t.TempDir()
		file := filepath.Join(root, keystoreName)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := keystoreDates(newTree(root), 7); err != nil {
			t.Errorf("%s is not there yet: %v", name, err)
		}
		if err := os.WriteFile(file, c.is, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := keystoreDates(newTree(root), 7); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		st, err := os.Stat(file)
		if got := readAll(t, file); got != string(c.becomes) || err != nil || st.Mode() != 0o640 {
			t.Errorf("%s became %q, mode %v, %v", name, got, st.Mode(), err)
		}
	}
	if err := keystoreDates(newTree(t.TempDir()), 7); err != nil {
		t.Errorf("without a folder: %v", err)
	}
}

func FuzzRedateKeystore(f *testing.F) {
	f.Add(keystoreOf(2, 5, "a", "key"))
	f.Add(keystoreOf(1, 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 20 { // so that what is fuzzed gets behind the sum
			sum := keystoreSum(b[:len(b)-20])
			b = append(b[:len(b)-20:len(b)-20], sum[:]...)
		}
		got, err := redateKeystore(b, 9)
		if err != nil {
			return
		}
		if again, err := redateKeystore(got, 9); err != nil || !bytes.Equal(again, got) || len(got) != len(b) {
			t.Errorf("%d bytes became %d, then %d, %v", len(b), len(got), len(again), err)
		}
	})
}
