package differ

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// format is what a file is, by its first bytes.
type format int

const (
	unknown format = iota
	text
	arFormat
	tarFormat
	zipFormat
	gzipFormat
	xzFormat
	zstdFormat
	bzip2Format
	lzmaFormat
	elfFormat
	peFormat
	machoFormat
	fatFormat
	pngFormat
	pdfFormat
	pycFormat
)

// String is its name, for people.
func (f format) String() string {
	return [...]string{"bytes", "text", "ar archive", "tar archive", "zip archive", "gzip", "xz", "zstd", "bzip2", "lzma",
		"ELF", "PE", "Mach-O", "Mach-O for several machines", "PNG", "PDF", "Python bytecode"}[f]
}

// reader reads two files of one format, and says what differs inside. With an
// error it may have found something all the same.
type reader func(w *work, depth int, a, b part) ([]Difference, error)

func (f format) reader() reader {
	switch f {
	case text:
		return (*work).texts
	case arFormat:
		return (*work).ars
	case tarFormat:
		return (*work).tars
	case zipFormat:
		return (*work).zips
	case gzipFormat:
		return (*work).gzips
	case xzFormat:
		return compressed(".xz")
	case zstdFormat:
		return compressed(".zst")
	case bzip2Format:
		return compressed(".bz2")
	case lzmaFormat:
		return compressed(".lzma")
	case elfFormat:
		return (*work).elfs
	case peFormat:
		return (*work).pes
	case machoFormat:
		return (*work).machos
	case fatFormat:
		return (*work).fats
	case pngFormat:
		return (*work).pngs
	case pdfFormat:
		return (*work).pdfs
	case pycFormat:
		return (*work).pycs
	}
	return nil
}

// formatOf recognises a file.
func formatOf(p part) format {
	h := p.head(4096)
	starts := func(magic string) bool { return bytes.HasPrefix(h, []byte(magic)) }
	switch {
	case starts(arMagic):
		return arFormat
	case starts("PK\x03\x04"), starts("PK\x05\x06"):
		return zipFormat
	case starts("\x1f\x8b\x08"):
		return gzipFormat
	case starts("\xfd7zXZ\x00"):
		return xzFormat
	case starts("\x28\xb5\x2f\xfd"):
		return zstdFormat
	case starts("BZh"):
		return bzip2Format
	case starts("\x5d\x00\x00") && len(h) > 13 && (h[12] == 0 || h[12] == 0xff):
		return lzmaFormat
	case starts("\x7fELF"):
		return elfFormat
	case starts("MZ"):
		return peFormat
	case starts("\xcf\xfa\xed\xfe"), starts("\xce\xfa\xed\xfe"), starts("\xfe\xed\xfa\xce"), starts("\xfe\xed\xfa\xcf"):
		return machoFormat
	case starts("\xca\xfe\xba\xbe") && len(h) > 8 && binary.BigEndian.Uint32(h[4:]) < 40: // a Java class has its version there
		return fatFormat
	case starts("\x89PNG\r\n\x1a\n"):
		return pngFormat
	case starts("%PDF-"):
		return pdfFormat
	case len(h) >= 16 && h[2] == '\r' && h[3] == '\n' && binary.LittleEndian.Uint32(h[4:]) < 4:
		return pycFormat
	case isTar(h):
		return tarFormat
	case isText(h):
		return text
	}
	return unknown
}

// isTar recognises POSIX and GNU headers, and the old form by its checksum.
func isTar(h []byte) bool {
	if len(h) < 512 {
		return false
	}
	if bytes.HasPrefix(h[257:], []byte("ustar")) {
		return true
	}
	sum, want := 0, 0
	for i, c := range h[:512] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int(c)
	}
	digits := bytes.Trim(h[148:156], " \x00")
	for _, c := range digits {
		if c < '0' || c > '7' {
			return false
		}
		want = want<<3 | int(c-'0')
	}
	return len(digits) > 0 && h[0] != 0 && sum == want
}

// isText tells whether bytes are UTF-8 without control characters; the last
// character may be cut off.
func isText(h []byte) bool {
	for len(h) > 0 {
		r, n := utf8.DecodeRune(h)
		switch {
		case r == utf8.RuneError && n == 1 && (len(h) >= utf8.UTFMax || utf8.FullRune(h)):
			return false
		case r < ' ' && r != '\n' && r != '\t' && r != '\r' && r != '\f' && r != '\x1b':
			return false
		}
		h = h[n:]
	}
	return true
}
