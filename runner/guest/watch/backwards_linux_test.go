package watch

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBackwards: every program sees folders backwards, all of what is in them, and can
// remove while it lists.
func TestBackwards(t *testing.T) {
	if !Usable() {
		t.Skip("the kernel cannot report calls")
	}
	dir := t.TempDir()
	for d := dir; len(d) > 4; d = filepath.Dir(d) { // for the user who lists it
		os.Chmod(d, 0o777)
	}
	os.Mkdir(filepath.Join(dir, "few"), 0o777)
	os.Mkdir(filepath.Join(dir, "many"), 0o777)
	os.Chmod(filepath.Join(dir, "many"), 0o777)
	for i := range 5 {
		os.WriteFile(filepath.Join(dir, "few", fmt.Sprint("f", i)), nil, 0o666)
	}
	for i := range 3000 { // more than one call lists
		os.WriteFile(filepath.Join(dir, "many", fmt.Sprint("file-of-a-long-name-", i)), nil, 0o666)
	}
	plain, err := os.Open(filepath.Join(dir, "few"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	want, err := plain.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(want)
	script := `cd ` + dir + `
ls -U few | tr '\n' ' '; echo
ls -U many | sort | uniq | wc -l
perl -e 'opendir(D, "few"); @a = readdir D; rewinddir D; @b = readdir D; print "@a" eq "@b" ? "same" : "not the same", "\n"; rewinddir D; readdir D; $p = telldir D; $x = readdir D; readdir D; seekdir D, $p; print readdir(D) eq $x ? "sought\n" : "lost\n"'
perl -e 'opendir(D, "few"); readdir D; if (!fork) { exit 0 } wait; @a = readdir D; print scalar(@a), "\n"'
ls /proc/self/fd >/dev/null && ls -d /proc/1
rm -rf many && ls few/.. | tr '\n' ' '`
	cmd, listener, out, story := watched(t, listingsVar+"="+script)
	w, err := Watch(listener, 1000, 1000, func(int, netip.AddrPort) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, story)
	}
	w.Close()
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	if line := strings.Join(want, " ") + " "; len(got) != 7 || got[0] != line {
		t.Errorf("got\n%s\nwant %q first\n%s", out, line, story)
	}
	if rest := got[1:]; !slices.Equal(rest, []string{"3000", "same", "sought", "6", "/proc/1", "few"}) {
		t.Errorf("got %q\n%s", rest, story)
	}
}
