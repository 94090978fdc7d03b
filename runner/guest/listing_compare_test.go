//go:build linux

package guest

import (
	"io"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// treeOf lists a tree by path, each line without its path and its time.
func treeOf(t *testing.T, root string, w io.Writer) map[string]string {
	t.Helper()
	var b strings.Builder
	if _, err := Listing(t.Context(), root, io.MultiWriter(&b, w)); err != nil {
		t.Fatal(err)
	}
	return withoutTimes(linesOf(b.String()))
}

// linesOf gives a listing's lines by path.
func linesOf(listing string) map[string]string {
	m := make(map[string]string)
	for l := range strings.Lines(listing) {
		f := strings.SplitN(strings.TrimSuffix(l, "\n"), " ", 8)
		m[f[6]] = strings.Join(append(f[:6:6], f[7:]...), " ")
	}
	return m
}

// withoutTimes is a copy without the lines' modification times.
func withoutTimes(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for name, l := range m {
		f := strings.Split(l, " ")
		out[name] = strings.Join(append(f[:5:5], f[6:]...), " ")
	}
	return out
}

// setUmask sets the umask of the test and answers how to undo it.
func setUmask(mask int) func() {
	old := unix.Umask(mask)
	return func() { unix.Umask(old) }
}

// differences compares two trees; each line is "- PATH …" for what only want
// has, "+ PATH …" for what only got has, "~ PATH want | got" for the rest.
func differences(want, got map[string]string) []string {
	var d []string
	for name, w := range want {
		if g, ok := got[name]; !ok {
			d = append(d, "- "+name+" "+w)
		} else if g != w {
			d = append(d, "~ "+name+" "+w+" | "+g)
		}
	}
	for name, g := range got {
		if _, ok := want[name]; !ok {
			d = append(d, "+ "+name+" "+g)
		}
	}
	sort.Slice(d, func(i, j int) bool { return d[i][2:] < d[j][2:] })
	return d
}
