package aptmirror

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"satchel/manifest"
)

// sourceStanza is a stanza of a Sources index.
func sourceStanza(name, version, directory, sums string) string {
	return "Package: " + name + "\nBinary: x,\n y\nVersion: " + version + "\nFiles:\n d41d8cd98f00b204e9800998ecf8427e 1 x.dsc\n" +
		"Directory: " + directory + "\nChecksums-Sha256:" + sums + "\nHomepage: https://example.org\n\n"
}

func TestFindSource(t *testing.T) {
	sums := "\n " + sumA + " 7 hello_2.10-3.dsc\n " + sumB + " 725946 hello_2.10.orig.tar.gz"
	in := sourceStanza("hell", "1", "pool/h", sums) + sourceStanza("hello", "2.9-1", "pool/old", sums) +
		sourceStanza("hello", "2.10-3", "pool/main/h/hello", sums) + sourceStanza("hello", "2.10-2", "./pool/older", sums)
	want := Source{Name: "hello", Version: "2.10-3", Directory: "pool/main/h/hello", Files: []SourceFile{
		{Name: "hello_2.10-3.dsc", Path: "pool/main/h/hello/hello_2.10-3.dsc", Blob: manifest.Blob{SHA256: digest(t, sumA), Size: 7}},
		{Name: "hello_2.10.orig.tar.gz", Path: "pool/main/h/hello/hello_2.10.orig.tar.gz", Blob: manifest.Blob{SHA256: digest(t, sumB), Size: 725946}},
	}}
	for _, version := range []string{"", "2.10-3"} {
		got, err := FindSource("Sources", strings.NewReader(in), "hello", version, "")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("version %q: got %+v, %v", version, got, err)
		}
	}
	if got, err := FindSource("Sources", strings.NewReader(in), "hello", "2.10-2", ""); err != nil || got.Directory != "pool/older" {
		t.Errorf("an older one: got %+v, %v", got, err)
	}
	if f, ok := want.File("hello_2.10.orig.tar.gz"); !ok || f.Blob.Size != 725946 {
		t.Errorf("File: got %+v, %v", f, ok)
	}
	if f, ok := want.File("x"); ok {
		t.Errorf("File: got %+v", f)
	}
	var missing *NoSourceError
	if _, err := FindSource("Sources", strings.NewReader(in), "hello", "3", ""); !errors.As(err, &missing) || len(missing.Seen) != 3 {
		t.Errorf("no such version: got %v", err)
	}
	if _, err := FindSource("Sources", strings.NewReader(in), "goodbye", "", ""); !errors.As(err, &missing) || len(missing.Seen) != 0 {
		t.Errorf("no such source: got %v", err)
	}
	blob := manifest.Blob{SHA256: manifest.Sum([]byte(in)), Size: int64(len(in))}
	changed := strings.Replace(in, "older", "other", 1)
	if _, err := FindSource("Sources", blob.Verify(strings.NewReader(changed)), "hello", "2.10-3", ""); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("a change behind what is looked for: got %v, want ErrDigest", err)
	}
}

func TestFindSourceRefused(t *testing.T) {
	sums := "\n " + sumA + " 7 x.dsc"
	for _, c := range []struct{ name, in, want string }{
		{"no directory", sourceStanza("x", "1", "", sums), "no path"},
		{"dot dot", sourceStanza("x", "1", "pool/../..", sums), "clean path"},
		{"no version", sourceStanza("x", "", "pool", sums), "reading version"},
		{"no sums", strings.Replace(sourceStanza("x", "1", "pool", sums), "Checksums-Sha256", "Checksums-Sha1", 1), "cannot be trusted"},
		{"empty sums", sourceStanza("x", "1", "pool", ""), "digest"},
		{"file in a directory", sourceStanza("x", "1", "pool", "\n "+sumA+" 7 y/x.dsc"), "odd"},
		{"file elsewhere", sourceStanza("x", "1", "pool", "\n "+sumA+" 7 ../x.dsc"), "clean path"},
		{"file twice", sourceStanza("x", "1", "pool", sums+sums), "twice"},
		{"bad size", sourceStanza("x", "1", "pool", "\n "+sumA+" 0x7 x.dsc"), "no number"},
	} {
		got, err := FindSource("Sources", strings.NewReader(c.in), "x", "", "")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Sources") {
			t.Errorf("%s: got %+v, %v, want %q", c.name, got, err, c.want)
		}
	}
	if _, err := FindSource("Sources", strings.NewReader(""), "../x", "", ""); err == nil {
		t.Error("a name that is none: no error")
	}
}

func FuzzFindSource(f *testing.F) {
	f.Add([]byte(sourceStanza("x", "1", "pool/x", "\n "+sumA+" 7 x.dsc")), "x", "")
	f.Add([]byte(sourceStanza("x", "1", "pool/x", "")), "x", "1")
	f.Fuzz(func(t *testing.T, data []byte, source, version string) {
		got, err := FindSource("Sources", bytes.NewReader(data), source, version, "")
		if err != nil {
			return
		}
		if got.Name != source || version != "" && got.Version != version || len(got.Files) == 0 {
			t.Fatalf("asked for %q, %q, got %+v", source, version, got)
		}
		for _, file := range got.Files {
			if checkPath(file.Path) != nil || file.Path != got.Directory+"/"+file.Name || file.Blob.SHA256.IsZero() {
				t.Fatalf("accepted %+v", file)
			}
		}
	})
}
