// Package debtest makes .deb files for tests, sound ones and broken ones.
package debtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// Package is a package to be. Zero fields get what dpkg-deb would write.
type Package struct {
	Name, Version, Arch string
	Fields              string            // more lines of the control stanza, each ending in a newline
	Control             string            // the whole stanza, in place of the fields above
	Scripts             map[string]string // other files of control.tar, by name
	Data                []tar.Header      // Size is taken from Contents
	Contents            map[string]string // of regular files, by the header's Name
	Compression         string            // of both tars, as for Compress
	Parts               []Part            // in place of all of the above
}

// Part is a member of the ar archive.
type Part struct {
	Name    string
	Content []byte
}

// File is a header of a regular file, root's, mode 0644 and an old date.
func File(name string) tar.Header { return header(name, tar.TypeReg, 0o644, "") }

// Dir is a header of a directory.
func Dir(name string) tar.Header { return header(name+"/", tar.TypeDir, 0o755, "") }

// Link is a header of a symbolic link.
func Link(name, target string) tar.Header { return header(name, tar.TypeSymlink, 0o777, target) }

// HardLink is a header of a second name.
func HardLink(name, target string) tar.Header { return header(name, tar.TypeLink, 0o644, target) }

func header(name string, kind byte, mode int64, link string) tar.Header {
	return tar.Header{
		Name: name, Typeflag: kind, Mode: mode, Linkname: link, Uname: "root", Gname: "root",
		ModTime: time.Unix(1_600_000_000, 0), Format: tar.FormatGNU,
	}
}

// Bytes is the .deb. It panics when the package cannot be written at all.
func (p Package) Bytes() []byte {
	parts := p.Parts
	if parts == nil {
		parts = p.parts()
	}
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range parts {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.Name, 1_600_000_000, 0, 0, "100644", len(m.Content))
		b.Write(m.Content)
		if len(m.Content)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func (p Package) parts() []Part {
	return []Part{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar" + p.Compression, Compress(p.Compression, p.ControlTar())},
		{"data.tar" + p.Compression, Compress(p.Compression, p.DataTar())},
	}
}

// Stanza is the control file.
func (p Package) Stanza() string {
	if p.Control != "" {
		return p.Control
	}
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: A Test <test@example.org>\n%sDescription: made by a test\n",
		p.Name, or(p.Version, "1"), or(p.Arch, "all"), p.Fields)
}

// ControlTar is control.tar.
func (p Package) ControlTar() []byte {
	contents := map[string]string{"./control": p.Stanza()}
	headers := []tar.Header{Dir("."), File("./control")}
	for name, text := range p.Scripts {
		contents["./"+name] = text
		h := File("./" + name)
		if strings.HasPrefix(text, "#!") {
			h.Mode = 0o755
		}
		headers = append(headers, h)
	}
	slices.SortFunc(headers, func(a, b tar.Header) int { return strings.Compare(a.Name, b.Name) })
	return Tar(headers, contents)
}

// DataTar is data.tar.
func (p Package) DataTar() []byte { return Tar(p.Data, p.Contents) }

// Tar writes a tar archive.
func Tar(headers []tar.Header, contents map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(contents[h.Name]))
		}
		must(w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, contents[h.Name])
			must(err)
		}
	}
	must(w.Close())
	return b.Bytes()
}

// Compress compresses as a suffix says: "", ".gz", ".xz", ".zst", ".lzma", or
// ".bz2", which takes the program bzip2.
func Compress(suffix string, content []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch suffix {
	case "":
		return content
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	case ".lzma":
		w, err = lzma.NewWriter(&b)
	case ".bz2":
		cmd := exec.Command("bzip2", "-c")
		cmd.Stdin = bytes.NewReader(content)
		out, err := cmd.Output()
		must(err)
		return out
	default:
		panic("debtest: no way to compress " + suffix)
	}
	must(err)
	_, err = w.Write(content)
	must(err)
	must(w.Close())
	return b.Bytes()
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("debtest: %v", err))
	}
}
