package imagestore

import (
	"archive/tar"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

// lines writes every entry of a tar as a line, in order.
func lines(t testing.TB, r io.Reader) []string {
	t.Helper()
	kinds := map[byte]string{tar.TypeReg: "-", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeLink: "h", tar.TypeChar: "c", tar.TypeBlock: "b", tar.TypeFifo: "p"}
	var all []string
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s%o %s", kinds[h.Typeflag], h.Mode, h.Name)
		if h.Linkname != "" {
			line += " > " + h.Linkname
		}
		if len(body) > 0 {
			line += " " + string(body)
		}
		for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
			if name, ok := strings.CutPrefix(k, xattrPrefix); ok {
				line += " " + name + "=" + h.PAXRecords[k]
			}
		}
		all = append(all, line)
	}
}
