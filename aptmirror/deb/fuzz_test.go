package deb

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// FuzzReader: no input makes the reader panic, exceed its limits or go on
// after an error.
func FuzzReader(f *testing.F) {
	for _, c := range []string{"", ".gz", ".xz", ".zst", ".lzma"} {
		p := sample()
		p.Compression = c
		f.Add(p.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := Limits{Control: 64 << 10, Data: 1 << 20, Entries: 50}
		p, err := Open(bytes.NewReader(b), limits)
		if err != nil {
			return
		}
		defer p.Close()
		if !IsPackageName(p.Control.Get("Package")) {
			t.Errorf("package name %q passed", p.Control.Get("Package"))
		}
		total, entries := int64(0), 0
		for {
			_, err := p.Next()
			if err != nil {
				if _, again := p.Next(); again != err {
					t.Errorf("after %v came %v", err, again)
				}
				break
			}
			n, _ := io.Copy(io.Discard, p)
			total += n
			entries++
		}
		if entries > limits.Entries {
			t.Errorf("%d entries", entries)
		}
		if total > limits.Data {
			t.Errorf("%d bytes", total)
		}
	})
}

// FuzzControl: what is accepted can be written out and read back the same.
func FuzzControl(f *testing.F) {
	f.Add([]byte(sample().Stanza()))
	f.Add([]byte("Package: a\nVersion: 1\nArchitecture: all\nDescription: x \n y\n .\n z \n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseControl(b)
		if err != nil {
			return
		}
		var out strings.Builder
		for _, f := range c.Fields {
			out.WriteString(f.Name + ": " + f.Value + "\n")
		}
		again, err := ParseControl([]byte(out.String()))
		if err != nil {
			t.Fatalf("read back: %v", err)
		}
		if len(again.Fields) != len(c.Fields) {
			t.Fatalf("got %d fields, then %d", len(c.Fields), len(again.Fields))
		}
		for i := range c.Fields {
			if c.Fields[i] != again.Fields[i] {
				t.Errorf("got %q, then %q", c.Fields[i], again.Fields[i])
			}
		}
	})
}
