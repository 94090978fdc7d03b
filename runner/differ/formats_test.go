package differ

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// entry is a member of the archives that the tests make.
type entry struct {
	name, text string
	header     tar.Header
}

func tarOf(format tar.Format, entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.header
		h.Name, h.Format = e.name, format
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(e.text))
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(0, 0)
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		io.WriteString(w, e.text)
	}
	w.Close()
	return b.Bytes()
}

func zipOf(modified time.Time, method uint16, entries ...entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: method, Modified: modified}
		h.SetMode(os.FileMode(e.header.Mode))
		f, err := w.CreateHeader(h)
		if err != nil {
			panic(err)
		}
		io.WriteString(f, e.text)
	}
	w.Close()
	return b.Bytes()
}

func arOf(date int, entries ...entry) []byte {
	var b bytes.Buffer
	b.WriteString(arMagic)
	for _, e := range entries {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", e.name, date, e.header.Uid, 0, 0o644, len(e.text), e.text)
		if len(e.text)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func gz(level int, h gzip.Header, b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, level)
	w.Header = h
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func packed(open func(io.Writer) (io.WriteCloser, error), b []byte) []byte {
	var out bytes.Buffer
	w, err := open(&out)
	if err != nil {
		panic(err)
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zst(b []byte) []byte {
	return packed(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }, b)
}
func xzOf(b []byte) []byte {
	return packed(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }, b)
}

func pngOf(chunks ...string) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	for _, c := range chunks {
		b = binary.BigEndian.AppendUint32(b, uint32(len(c)-4))
		b = append(b, c...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(c)))
	}
	return b
}

// peOf is the least that is a Windows program: a header, one section.
func peOf(date uint32, text string) []byte {
	b := make([]byte, 64)
	copy(b, "MZ")
	b[0x3c] = 64
	b = append(b, "PE\x00\x00"...)
	le := binary.LittleEndian
	b = le.AppendUint16(b, 0x8664)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, date)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint16(b, 0) // no optional header
	b = le.AppendUint16(b, 0x22)
	at := len(b) + 40
	b = append(b, ".text\x00\x00\x00"...)
	for _, n := range []uint32{uint32(len(text)), 0x1000, uint32(len(text)), uint32(at), 0, 0, 0, 0x60000020} {
		b = le.AppendUint32(b, n)
	}
	return append(b, text...)
}

// machoOf is the least that is a program for macOS: a UUID and one section.
func machoOf(uuid, text string) []byte {
	le := binary.LittleEndian
	var b []byte
	for _, n := range []uint32{0xfeedfacf, 0x01000007, 3, 2, 2, 24 + 152, 0, 0} {
		b = le.AppendUint32(b, n)
	}
	b = le.AppendUint32(le.AppendUint32(b, 0x1b), 24)
	b = append(b, uuid[:16]...)
	b = le.AppendUint32(le.AppendUint32(b, 0x19), 152)
	name := func(s string) { b = append(b, (s + strings.Repeat("\x00", 16))[:16]...) }
	name("__TEXT")
	for range 4 {
		b = le.AppendUint64(b, 0)
	}
	for _, n := range []uint32{7, 5, 1, 0} {
		b = le.AppendUint32(b, n)
	}
	name("__text")
	name("__TEXT")
	b = le.AppendUint64(le.AppendUint64(b, 0), uint64(len(text)))
	for _, n := range []uint32{uint32(len(b) + 32), 0, 0, 0, 0, 0, 0, 0} {
		b = le.AppendUint32(b, n)
	}
	return append(b, text...)
}

func pyc(date uint32, code string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("\xa7\x0d\r\n\x00\x00\x00\x00"), date)
	return append(binary.LittleEndian.AppendUint32(b, 7), code...)
}

func plain(name, text string) entry { return entry{name: name, text: text} }
