package deb

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"satchel/aptmirror/deb/debtest"
)

var testLimits = Limits{Control: 1 << 20, Data: 1 << 30, Entries: 1000}

// sample is a sound package with one of each sort of entry.
func sample() debtest.Package {
	return debtest.Package{
		Name: "sample", Version: "1:2.0-3", Arch: "amd64",
		Fields:  "Depends: libc6 (>= 2.36),\n other\nX-Long: first\n second \n .\n third\n",
		Scripts: map[string]string{"postinst": "#!/bin/sh\nexit 0\n", "conffiles": "/etc/sample.conf\n"},
		Data: []tar.Header{
			debtest.Dir("."), debtest.Dir("./etc"), debtest.File("./etc/sample.conf"),
			debtest.Dir("./usr"), debtest.Dir("./usr/bin"), debtest.File("./usr/bin/sample"),
			debtest.HardLink("./usr/bin/other", "./usr/bin/sample"), debtest.Link("./usr/bin/link", "sample"),
			debtest.File("./usr/" + strings.Repeat("long/", 40) + "name"),
		},
		Contents: map[string]string{"./etc/sample.conf": "x=1\n", "./usr/bin/sample": strings.Repeat("program ", 5000)},
	}
}

// read reads a whole package into one line per entry.
func read(r io.Reader, limits Limits) (string, error) {
	p, err := Open(r, limits)
	if err != nil {
		return "", err
	}
	defer p.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\n", p.Control.Get("package"), p.Control.Get("VERSION"), p.Control.Get("Architecture"))
	for _, f := range p.Files {
		fmt.Fprintf(&b, "%s %o %d\n", f.Name, f.Mode, len(f.Content))
	}
	for {
		h, err := p.Next()
		if err == io.EOF {
			if _, again := p.Next(); again != io.EOF {
				return "", errors.New("Next after the end is no end")
			}
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		n, err := io.Copy(io.Discard, p)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%c %s %d %s\n", h.Typeflag, h.Name, n, h.Linkname)
	}
}

func TestReadEveryCompression(t *testing.T) {
	want, err := read(bytes.NewReader(sample().Bytes()), testLimits)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(want, "sample 1:2.0-3 amd64\n") || strings.Count(want, "\n") != 12 {
		t.Fatalf("got %q", want)
	}
	for _, c := range []string{".gz", ".xz", ".zst", ".lzma", ".bz2"} {
		p := sample()
		p.Compression = c
		got, err := read(iotest.OneByteReader(bytes.NewReader(p.Bytes())), testLimits)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", c, got, err, want)
		}
	}
}

func TestReadOddParts(t *testing.T) {
	p := sample()
	data := debtest.Compress(".bz2", p.DataTar())
	p.Parts = []debtest.Part{{Name: "debian-binary/", Content: []byte("2.0\n")}, {Name: "_gpgorigin", Content: []byte("x")},
		{Name: "control.tar", Content: p.ControlTar()}, {Name: "data.tar.bz2", Content: data}}
	if _, err := read(bytes.NewReader(p.Bytes()), testLimits); err != nil {
		t.Error(err)
	}
}

// TestTruncated cuts a package at every byte: none of the pieces is one.
func TestTruncated(t *testing.T) {
	for _, c := range []string{"", ".gz", ".xz", ".zst"} {
		p := sample()
		p.Compression = c
		b := p.Bytes()
		step := max(1, len(b)/400)
		for n := 0; n < len(b)-1; n += step {
			if _, err := read(bytes.NewReader(b[:n]), testLimits); err == nil {
				t.Errorf("%s: the first %d of %d bytes were read without error", c, n, len(b))
			}
		}
	}
}

// TestFlipped changes one byte at a time in compressed packages: what is read
// without error is what was there, headers of the ar members apart.
func TestFlipped(t *testing.T) {
	for _, c := range []string{".xz", ".zst"} {
		p := sample()
		p.Compression = c
		b := p.Bytes()
		want, err := read(bytes.NewReader(b), testLimits)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(b); i += 3 {
			f := bytes.Clone(b)
			f[i] ^= 0x20
			if got, err := read(bytes.NewReader(f), testLimits); err == nil && got != want {
				t.Errorf("%s: byte %d changed: got %q", c, i, got)
			}
		}
	}
}

func TestHostile(t *testing.T) {
	ok := sample()
	part := func(name string, content []byte) debtest.Part { return debtest.Part{Name: name, Content: content} }
	version, control, data := part("debian-binary", []byte("2.0\n")), part("control.tar", ok.ControlTar()), part("data.tar", ok.DataTar())
	bomb := debtest.Compress(".zst", debtest.Tar([]tar.Header{debtest.File("./zeros")},
		map[string]string{"./zeros": strings.Repeat("\x00", 300<<20)}))
	controlOf := func(text string) []byte { return debtest.Package{Control: text}.ControlTar() }
	with := func(m ...debtest.Part) []byte { return debtest.Package{Parts: m}.Bytes() }
	small := testLimits
	small.Entries = 3
	for _, c := range []struct {
		name   string
		bytes  []byte
		limits Limits
		want   string
	}{
		{"empty", nil, testLimits, "first bytes"},
		{"not ar", []byte("PK\x03\x04 something"), testLimits, "not an ar"},
		{"no parts", []byte("!<arch>\n"), testLimits, "first part"},
		{"wrong first part", with(control, version, data), testLimits, "not debian-binary"},
		{"format 3", with(part("debian-binary", []byte("3.0\n")), control, data), testLimits, "format version"},
		{"no control", with(version, data), testLimits, "where control.tar belongs"},
		{"no data", with(version, control), testLimits, "looking for data.tar"},
		{"two controls", with(version, control, control, data), testLimits, "where data.tar belongs"},
		{"two datas", with(version, control, data, data), testLimits, "after its data"},
		{"foreign part", with(version, part("evil", nil), control, data), testLimits, "where control.tar belongs"},
		{"many parts", with(append([]debtest.Part{version}, make([]debtest.Part, 40)...)...), testLimits, "where control.tar"},
		{"many ignored parts", with(append([]debtest.Part{version}, bytesParts(40)...)...), testLimits, "more than"},
		{"unknown compression", with(version, control, part("data.tar.rar", nil)), testLimits, "unknown"},
		{"control without package", with(version, part("control.tar", controlOf("Version: 1\nArchitecture: all\n")), data), testLimits, "not a package name"},
		{"package name is a path", with(version, part("control.tar", controlOf("Package: ../x\nVersion: 1\nArchitecture: all\n")), data), testLimits, "not a package name"},
		{"version with newline trick", with(version, part("control.tar", controlOf("Package: x\nVersion: 1\n 2\nArchitecture: all\n")), data), testLimits, "not a version"},
		{"field twice", with(version, part("control.tar", controlOf("Package: x\npackage: y\nVersion: 1\nArchitecture: all\n")), data), testLimits, "second field"},
		{"two stanzas", with(version, part("control.tar", controlOf("Package: x\nVersion: 1\nArchitecture: all\n\nPackage: y\n")), data), testLimits, "second stanza"},
		{"no control file", with(version, part("control.tar", debtest.Tar(nil, nil)), data), testLimits, "no control file"},
		{"control file escapes", with(version, part("control.tar", debtest.Tar([]tar.Header{debtest.File("../../etc/x")}, nil)), data), testLimits, "does not belong"},
		{"control file is a link", with(version, part("control.tar", debtest.Tar([]tar.Header{debtest.Link("./postinst", "/bin/sh")}, nil)), data), testLimits, "does not belong"},
		{"control file twice", with(version, part("control.tar", debtest.Tar([]tar.Header{debtest.File("./md5sums"), debtest.File("md5sums")}, nil)), data), testLimits, "two files"},
		{"control too large", sample().Bytes(), Limits{Control: 100, Data: 1 << 30, Entries: 100}, "more than is allowed"},
		{"data too large", sample().Bytes(), Limits{Control: 1 << 20, Data: 10_000, Entries: 100}, "more than is allowed"},
		{"data is a bomb", with(version, control, part("data.tar.zst", bomb)), testLimits, "more than is allowed"},
		{"window of 4 GiB", with(version, control, part("data.tar.lzma", []byte("\x5d\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"))), testLimits, "window"},
		{"sparse bomb", with(version, control, part("data.tar", sparseTar())), testLimits, "sparse"},
		{"many entries", sample().Bytes(), small, "more than 3 entries"},
		{"zero limits", sample().Bytes(), Limits{}, "more than is allowed"},
		{"data goes on after its end", with(version, control, part("data.tar", append(ok.DataTar(), "more"...))), testLimits, "after the end"},
		{"size is negative", bytes.Replace(sample().Bytes(), []byte("4         `"), []byte("-4        `"), 1), testLimits, "malformed"},
	} {
		_, err := read(bytes.NewReader(c.bytes), c.limits)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
	}
}

// sparseTar holds an old GNU sparse file of 1 GiB in no bytes.
func sparseTar() []byte {
	b := debtest.Tar([]tar.Header{debtest.File("./zeros")}, nil)
	b[156] = 'S'
	copy(b[386:], "00000000000\x0000000000000\x00") // one hole's end
	copy(b[483:], "10000000000\x00")                // the real size
	sum := 0
	copy(b[148:], "        ")
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func bytesParts(n int) []debtest.Part {
	var l []debtest.Part
	for range n {
		l = append(l, debtest.Part{Name: "_x"})
	}
	return l
}

func TestReadError(t *testing.T) {
	b := sample().Bytes()
	for n := 0; n < len(b); n += 97 {
		r := io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(os.ErrPermission))
		if _, err := read(r, testLimits); !errors.Is(err, os.ErrPermission) {
			t.Fatalf("after %d bytes: got %v, want the reader's error", n, err)
		}
	}
}

// TestLikeDpkgDeb compares what is read with what dpkg-deb says of the same
// package: names, sizes and types, and the control stanza.
func TestLikeDpkgDeb(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip("needs dpkg-deb")
	}
	for _, c := range []string{"", ".gz", ".xz"} {
		p := sample()
		p.Compression = c
		file := filepath.Join(t.TempDir(), "x.deb")
		if err := os.WriteFile(file, p.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		fields, err := exec.Command("dpkg-deb", "--field", file, "Package", "Version", "X-Long").Output()
		if err != nil {
			t.Fatalf("dpkg-deb refuses: %v", err)
		}
		d, err := Open(bytes.NewReader(p.Bytes()), testLimits)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("Package: %s\nVersion: %s\nX-Long: %s\n", d.Control.Get("Package"), d.Control.Get("Version"), d.Control.Get("X-Long"))
		if got != string(fields) {
			t.Errorf("got %q, dpkg-deb %q", got, fields)
		}
		stream, err := exec.Command("dpkg-deb", "--fsys-tarfile", file).Output()
		if err != nil || !bytes.Equal(stream, p.DataTar()) {
			t.Errorf("dpkg-deb's tar differs from what was packed: %v", err)
		}
	}
}
