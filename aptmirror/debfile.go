package aptmirror

import (
	"bytes"
	"fmt"
	"io"

	"satchel/aptmirror/deb"
	"satchel/manifest"
)

// maxDebControl bounds the control part of a .deb, in bytes, unpacked.
const maxDebControl = 16 << 20

// ReadDeb reads out of a .deb what an index would say of it, were it blob, and
// were it at filename.
func ReadDeb(name string, r io.Reader, filename string, blob manifest.Blob) (Package, error) {
	d, err := deb.Open(r, deb.Limits{Control: maxDebControl})
	if err != nil {
		return Package{}, fmt.Errorf("reading %s: %w", name, err)
	}
	defer d.Close()
	list, err := ReadPackages(name, bytes.NewReader(DebStanza(d.Control, filename, blob)), 0)
	if err != nil {
		return Package{}, err
	}
	if len(list) != 1 {
		return Package{}, fmt.Errorf("reading %s: its control file has %d stanzas", name, len(list))
	}
	return list[0], nil
}

// DebStanza is the stanza that an index would have of a package.
func DebStanza(c *deb.Control, filename string, blob manifest.Blob) []byte {
	text := bytes.TrimSpace(c.Text)
	return fmt.Appendf(bytes.Clone(text), "\nFilename: %s\nSize: %d\nSHA256: %s\n\n", filename, blob.Size, blob.SHA256.Hex())
}
