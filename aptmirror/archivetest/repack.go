package archivetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"satchel/aptmirror/deb/debtest"
)

// Repack says how a .deb is written anew: in another archive's image.
type Repack struct {
	Control, Data string                      // compressions, as for debtest.Compress; of Data "keep" leaves it as it is
	Stanza        func(control string) string // changes the control stanza; nil leaves it
}

// Write reads the .deb at from, with dpkg-deb's help, and writes another one.
func (r Repack) Write(t testing.TB, from, to string) {
	t.Helper()
	parts := []debtest.Part{{Name: "debian-binary", Content: []byte("2.0\n")}}
	control, err := exec.Command("dpkg-deb", "--ctrl-tarfile", from).Output()
	if err == nil && r.Stanza != nil {
		control, err = editControl(control, r.Stanza)
	}
	if err != nil {
		t.Fatalf("repacking %s: %v", from, err)
	}
	parts = append(parts, debtest.Part{Name: "control.tar" + r.Control, Content: debtest.Compress(r.Control, control)})
	data, err := r.data(from)
	if err == nil {
		err = os.WriteFile(to, debtest.Package{Parts: append(parts, data)}.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatalf("repacking %s: %v", from, err)
	}
}

// data is the part with the files.
func (r Repack) data(from string) (debtest.Part, error) {
	if r.Data == "keep" {
		return lastPart(from)
	}
	data, err := exec.Command("dpkg-deb", "--fsys-tarfile", from).Output()
	if err != nil {
		return debtest.Part{}, err
	}
	return debtest.Part{Name: "data.tar" + r.Data, Content: debtest.Compress(r.Data, data)}, nil
}

// lastPart returns the last member of an ar archive.
func lastPart(name string) (p debtest.Part, err error) {
	b, err := os.ReadFile(name)
	for at := 8; err == nil && at+60 <= len(b); {
		header := string(b[at : at+60])
		size, bad := strconv.Atoi(strings.TrimSpace(header[48:58]))
		if bad != nil || at+60+size > len(b) {
			return p, fmt.Errorf("the header %q at %d makes no sense", header, at)
		}
		p = debtest.Part{Name: strings.Trim(header[:16], " /"), Content: b[at+60 : at+60+size]}
		at += 60 + size + size%2
	}
	return p, err
}

// editControl changes the stanza in a control.tar and leaves the rest.
func editControl(control []byte, edit func(string) string) ([]byte, error) {
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(control)), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out.Bytes(), w.Close()
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if h.Name == "./control" {
			content = []byte(edit(string(content)))
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
}
