// Package deb reads binary packages in the format of deb(5): an ar archive of
// debian-binary, control.tar and data.tar, the two tars plain or compressed
// with gzip, xz, zstd, bzip2 or lzma.
//
// It is a pure reader: it never touches a file system, reads forward only,
// keeps the control files in memory and streams the data. Everything is
// bounded by Limits, and the order and number of parts is what dpkg-deb
// writes; other things than that are refused.
//
//	p, err := deb.Open(f, deb.Limits{Control: 16 << 20, Data: 4 << 30, Entries: 1 << 20})
//	for {
//		h, err := p.Next() // a tar header; p.Read reads that entry
//		if err == io.EOF {
//			break
//		}
//	}
package deb

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits bounds what a package may unpack to. A zero lets nothing through.
type Limits struct {
	Control int64 // bytes of control.tar, uncompressed
	Data    int64 // bytes of data.tar, uncompressed
	Entries int   // files, directories and links of data.tar
}

// A data.tar may be this many times its compressed size, beyond a free
// allowance. Debs compress 3 to 40 times; only a bomb needs more.
const (
	maxRatio  = 250
	ratioFree = 128 << 20
)

// maxControlFiles bounds control.tar; there are about a dozen names that mean
// something to dpkg.
const maxControlFiles = 256

// ControlFile is a file of control.tar other than the control stanza itself.
type ControlFile struct {
	Name    string // a plain file name: letters, digits, "-", "_", "."
	Mode    int64  // permission bits
	Time    int64  // modification, seconds since 1970
	Content []byte
}

// Package is a .deb that has been read up to its data.
type Package struct {
	Control *Control
	Files   []ControlFile // in the archive's order

	ar      *arReader
	data    io.Reader
	tar     *tar.Reader
	close   func()
	entries int
	total   int64 // bytes that the headers so far have announced
	limits  Limits
	err     error
}

// Open reads the control part of the .deb in r and makes the data part ready.
// The caller must Close the Package. Whether r is as long as it should be is
// the caller's to check; Open takes what the ar headers say.
func Open(r io.Reader, limits Limits) (*Package, error) {
	ar, err := newArReader(r)
	if err != nil {
		return nil, err
	}
	if err := readVersion(ar); err != nil {
		return nil, err
	}
	p := &Package{ar: ar, limits: limits, close: func() {}}
	if err := p.readControl(); err != nil {
		return nil, err
	}
	if err := p.openData(); err != nil {
		return nil, err
	}
	return p, nil
}

// readVersion reads debian-binary, which must come first and say 2.x.
func readVersion(ar *arReader) error {
	name, size, err := ar.next()
	if err != nil {
		return fmt.Errorf("reading its first part: %w", noEOF(err))
	}
	if name != "debian-binary" || size > 64 {
		return fmt.Errorf("its first part is %q of %d bytes, not debian-binary", clip(name), size)
	}
	b, err := io.ReadAll(ar)
	if err != nil {
		return fmt.Errorf("reading debian-binary: %w", err)
	}
	if !strings.HasPrefix(string(b), "2.") || !strings.Contains(string(b), "\n") {
		return fmt.Errorf("its format version is %q, not 2.x", b)
	}
	return nil
}

// part finds the next member that is not to be ignored (names beginning with
// an underscore are, by deb(5)); it must be want.tar in some compression.
func (p *Package) part(want string) (suffix string, size int64, err error) {
	for {
		name, size, err := p.ar.next()
		if err != nil {
			return "", 0, fmt.Errorf("looking for %s: %w", want, noEOF(err))
		}
		if strings.HasPrefix(name, "_") {
			continue
		}
		suffix, ok := strings.CutPrefix(name, want)
		if !ok {
			return "", 0, fmt.Errorf("it has a part %q where %s belongs", clip(name), want)
		}
		return suffix, size, nil
	}
}

func (p *Package) readControl() error {
	suffix, _, err := p.part("control.tar")
	if err != nil {
		return err
	}
	r, done, err := decompress(p.ar, suffix)
	if err != nil {
		return fmt.Errorf("reading control.tar%s: %w", suffix, err)
	}
	defer done()
	r = &cappedReader{r, p.limits.Control}
	t := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err == nil && n > maxControlFiles {
			err = fmt.Errorf("more than %d files", maxControlFiles)
		}
		if err == nil {
			err = p.controlEntry(h, t)
		}
		if err != nil {
			return fmt.Errorf("reading control.tar%s: %w", suffix, noEOF(err))
		}
	}
	if err := drain(r); err != nil {
		return fmt.Errorf("reading control.tar%s: %w", suffix, err)
	}
	if p.Control == nil {
		return errors.New("reading control.tar: it has no control file")
	}
	return nil
}

// controlEntry keeps one file of control.tar.
func (p *Package) controlEntry(h *tar.Header, r io.Reader) error {
	name := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir && (name == "" || name == ".") {
		return nil
	}
	if h.Typeflag != tar.TypeReg || !isControlName(name) {
		return fmt.Errorf("entry %q of type %q does not belong there", clip(h.Name), h.Typeflag)
	}
	for _, f := range p.Files {
		if f.Name == name {
			return fmt.Errorf("two files %q", name)
		}
	}
	b, err := io.ReadAll(r) // bounded by Limits.Control
	if err != nil {
		return err
	}
	if name != "control" {
		p.Files = append(p.Files, ControlFile{name, h.Mode & 0o7777, h.ModTime.Unix(), b})
		return nil
	}
	if p.Control != nil {
		return errors.New("two control stanzas")
	}
	p.Control, err = ParseControl(b)
	return err
}

func isControlName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isLower(c|0x20) && !isDigit(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// File returns the content of a control file, nil if there is none.
func (p *Package) File(name string) []byte {
	for _, f := range p.Files {
		if f.Name == name {
			return f.Content
		}
	}
	return nil
}

func (p *Package) openData() error {
	suffix, size, err := p.part("data.tar")
	if err != nil {
		return err
	}
	r, done, err := decompress(p.ar, suffix)
	if err != nil {
		return fmt.Errorf("reading data.tar%s: %w", suffix, err)
	}
	limit := p.limits.Data
	if size < (limit-ratioFree)/maxRatio {
		limit = min(limit, ratioFree+size*maxRatio)
	}
	p.data, p.close = &cappedReader{r, limit}, done
	p.tar = tar.NewReader(p.data)
	return nil
}

// Next returns the next entry of the data, as archive/tar does. io.EOF means
// that the whole of the package has been read and was sound.
func (p *Package) Next() (*tar.Header, error) {
	if p.err != nil {
		return nil, p.err
	}
	h, err := p.tar.Next()
	switch {
	case err == io.EOF:
		p.err = p.finish()
	case err != nil:
		p.err = fmt.Errorf("reading data.tar: %w", noEOF(err))
	default:
		if p.err = p.admit(h); p.err == nil {
			return h, nil
		}
	}
	return nil, p.err
}

// admit checks one header against the limits. Sparse files are refused: dpkg
// knows none, and a few bytes of them can stand for any number of zeros.
func (p *Package) admit(h *tar.Header) error {
	if p.entries++; p.entries > p.limits.Entries {
		return fmt.Errorf("reading data.tar: more than %d entries", p.limits.Entries)
	}
	sparse := h.Typeflag == tar.TypeGNUSparse
	for key := range h.PAXRecords {
		sparse = sparse || strings.HasPrefix(key, "GNU.sparse")
	}
	if sparse {
		return fmt.Errorf("reading data.tar: entry %q is a sparse file", clip(h.Name))
	}
	if h.Size > p.limits.Data-p.total {
		return fmt.Errorf("reading data.tar: entry %q: %w", clip(h.Name), ErrTooLarge)
	}
	p.total += h.Size
	return nil
}

// finish checks what follows the last entry; io.EOF is success.
func (p *Package) finish() error {
	if err := drain(p.data); err != nil {
		return fmt.Errorf("reading data.tar: %w", err)
	}
	for {
		name, _, err := p.ar.next()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(name, "_") {
			return fmt.Errorf("it has a part %q after its data", clip(name))
		}
	}
}

// Read reads the content of the entry that Next has returned.
func (p *Package) Read(b []byte) (int, error) { return p.tar.Read(b) }

// Close frees the decoder. It does not close the reader given to Open.
func (p *Package) Close() { p.close() }

// drain reads r to its end, so that the decoder checks its sums; after a
// tar's end only zeros may come.
func drain(r io.Reader) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		for _, c := range buf[:n] {
			if c != 0 {
				return errors.New("it goes on after the end of the tar")
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
