package aptmirror

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"satchel/manifest"

	"github.com/google/go-cmp/cmp"
)

const sumA = "00000000000000000000000000000000000000000000000000000000000000aa"
const sumB = "00000000000000000000000000000000000000000000000000000000000000bb"

// stanzaOf is a sound stanza of an index, with fields set or (by "") taken out.
func stanzaOf(set ...string) string {
	fields := [][2]string{
		{"Package", "hello"}, {"Version", "2.10-3"}, {"Architecture", "amd64"},
		{"Filename", "pool/main/h/hello/hello_2.10-3_amd64.deb"}, {"Size", "53"}, {"SHA256", sumA},
	}
	for i := 0; i < len(set); i += 2 {
		found := false
		for j := range fields {
			if fields[j][0] == set[i] {
				fields[j][1], found = set[i+1], true
			}
		}
		if !found {
			fields = append(fields, [2]string{set[i], set[i+1]})
		}
	}
	var b strings.Builder
	for _, f := range fields {
		if f[1] != "" {
			b.WriteString(f[0] + ": " + f[1] + "\n")
		}
	}
	return b.String() + "\n"
}

func digest(t testing.TB, s string) manifest.Digest {
	t.Helper()
	d, err := manifest.ParseDigest(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReadPackages(t *testing.T) {
	in := stanzaOf("Source", "hello-src (1:2.10-3)", "Multi-Arch", "foreign", "Essential", "yes", "Protected", "yes",
		"Depends", "libc6 (>= 2.34),\n libx", "Pre-Depends", "dpkg", "Conflicts", "c", "Breaks", "b", "Replaces", "r",
		"Provides", "p", "Recommends", "rec", "Suggests", "s", "Enhances", "e", "Phased-Update-Percentage", "10",
		"Priority", "optional", "Description", "friendly") +
		stanzaOf("Version", "2.11-1", "Filename", "./pool/h/hello_2.11-1_amd64.deb") +
		stanzaOf() + stanzaOf() // one version twice, same bytes
	got, err := ReadPackages("Packages", strings.NewReader(in), 7)
	if err != nil {
		t.Fatal(err)
	}
	blob := manifest.Blob{SHA256: digest(t, sumA), Size: 53}
	plain := Package{
		Name: "hello", Version: "2.10-3", Architecture: "amd64", Phased: -1,
		Filename: "pool/main/h/hello/hello_2.10-3_amd64.deb", Blob: blob, Archive: 7,
	}
	first := plain
	first.Source, first.SourceVersion, first.MultiArch, first.Essential, first.Important = "hello-src", "1:2.10-3", "foreign", true, true
	first.Depends, first.PreDepends, first.Conflicts, first.Breaks, first.Replaces = "libc6 (>= 2.34), libx", "dpkg", "c", "b", "r"
	first.Provides, first.Recommends, first.Suggests, first.Enhances, first.Phased, first.Priority = "p", "rec", "s", "e", 10, "optional"
	newer := plain
	newer.Version, newer.Filename = "2.11-1", "pool/h/hello_2.11-1_amd64.deb"
	if d := cmp.Diff([]Package{first, newer, plain, plain}, got); d != "" {
		t.Errorf("want - got +:\n%s", d)
	}
}

func TestReadPackagesRefused(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"no name", stanzaOf("Package", ""), "without a name"},
		{"bad name", stanzaOf("Package", "he/llo"), "is no package name"},
		{"name with escape", stanzaOf("Package", "h\x1b[2J"), "is no package name"},
		{"no version", stanzaOf("Version", ""), "has no Version"},
		{"bad version", stanzaOf("Version", "1:"), "upstream part is empty"},
		{"version with slash", stanzaOf("Version", "1/../2"), "is not allowed"},
		{"no architecture", stanzaOf("Architecture", ""), "no Architecture"},
		{"bad architecture", stanzaOf("Architecture", "amd64/.."), "is no architecture"},
		{"no filename", stanzaOf("Filename", ""), "no path"},
		{"absolute", stanzaOf("Filename", "/etc/passwd"), "clean path"},
		{"dot dot", stanzaOf("Filename", "pool/../../etc/passwd"), "clean path"},
		{"dot dot behind ./", stanzaOf("Filename", "./../x"), "clean path"},
		{"empty part", stanzaOf("Filename", "pool//x"), "clean path"},
		{"slash at the end", stanzaOf("Filename", "pool/"), "clean path"},
		{"backslash", stanzaOf("Filename", `pool\..\x`), "character"},
		{"control", stanzaOf("Filename", "pool/x\x01y"), "character"},
		{"space", stanzaOf("Filename", "pool/x y"), "character"},
		{"folded", stanzaOf("Filename", "pool/x\n y"), "character"},
		{"long", stanzaOf("Filename", strings.Repeat("x", 1025)), "too long"},
		{"no size", stanzaOf("Size", ""), "has no Size"},
		{"size nought", stanzaOf("Size", "0"), "has no Size"},
		{"negative size", stanzaOf("Size", "-1"), "no number"},
		{"hexadecimal size", stanzaOf("Size", "0x10"), "no number"},
		{"huge size", stanzaOf("Size", "9999999999999999999"), "no number"},
		{"no hash", stanzaOf("SHA256", "", "MD5sum", "d41d8cd98f00b204e9800998ecf8427e"), "cannot be trusted"},
		{"short hash", stanzaOf("SHA256", sumA[1:]), "64"},
		{"upper-case hash", stanzaOf("SHA256", strings.ToUpper(sumA)), "64"},
		{"hash of noughts", stanzaOf("SHA256", strings.Repeat("0", 64)), "all zeros"},
		{"phased", stanzaOf("Phased-Update-Percentage", "101"), "0 to 100"},
		{"bad source", stanzaOf("Source", "../x"), "is no package name"},
		{"bad source version", stanzaOf("Source", "x 1.0"), "parentheses"},
		{"one path, two hashes", stanzaOf() + stanzaOf("SHA256", sumB), "Packages:8: pool/main/h/hello/hello_2.10-3_amd64.deb has other bytes"},
		{"one path, two sizes", stanzaOf() + stanzaOf("Size", "54"), "has other bytes"},
	} {
		pkgs, err := ReadPackages("Packages", strings.NewReader(c.in), 0)
		if err == nil || !strings.Contains(err.Error(), c.want) || pkgs != nil {
			t.Errorf("%s: got %v, %v, want %q", c.name, pkgs, err, c.want)
			continue
		}
		if !strings.HasPrefix(err.Error(), "Packages:") || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%s: the error does not start with the place or has a control character: %q", c.name, err)
		}
	}
}

// TestReadPackagesReadsToTheEnd: a reader that verifies says so only at its end.
func TestReadPackagesReadsToTheEnd(t *testing.T) {
	in := []byte(stanzaOf())
	blob := manifest.Blob{SHA256: manifest.Sum(in), Size: int64(len(in))}
	if _, err := ReadPackages("Packages", blob.Verify(bytes.NewReader(in)), 0); err != nil {
		t.Error(err)
	}
	if _, err := ReadPackages("Packages", blob.Verify(io.MultiReader(bytes.NewReader(in), strings.NewReader("\n"))), 0); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("one byte more: got %v, want ErrDigest", err)
	}
}

// TestMachineIndexAgainstAwk compares what we keep of the machine's index with
// what awk, knowing only "Name: value", finds in it.
func TestMachineIndexAgainstAwk(t *testing.T) {
	data := machineIndex(t)
	pkgs, err := ReadPackages("Packages", bytes.NewReader(data), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for _, p := range pkgs {
		got.WriteString("Package: " + p.Name + "\nVersion: " + p.Version + "\nArchitecture: " + p.Architecture + "\n")
		for _, f := range [][2]string{{"Depends", p.Depends}, {"Pre-Depends", p.PreDepends}, {"Provides", p.Provides}} {
			if f[1] != "" {
				got.WriteString(f[0] + ": " + f[1] + "\n")
			}
		}
		got.WriteString("Filename: " + p.Filename + "\nSHA256: " + p.Blob.SHA256.Hex() + "\n")
	}
	awk := exec.Command("awk", `/^[A-Z]/ { i = index($0, ":"); v[substr($0, 1, i-1)] = $0 }
		/^$/ { split("Package Version Architecture Depends Pre-Depends Provides Filename SHA256", n, " ")
			for (i = 1; i <= 8; i++) if (n[i] in v) print v[n[i]]; delete v }`)
	awk.Stdin = bytes.NewReader(data)
	want, err := awk.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("our %d bytes differ from awk's %d", got.Len(), len(want))
	}
}

func TestReadStatus(t *testing.T) {
	const in = `Package: a
Status: install ok installed
Priority: required
Essential: yes
Version: 1
Architecture: amd64
Conffiles:
 /etc/a 00000000000000000000000000000000
 /etc/b 00000000000000000000000000000000 obsolete
Description: x
 .
 y

Package: gone
Status: deinstall ok config-files
Version: 2
Architecture: all

Package: never
Status: unknown ok not-installed
Architecture: all

`
	got, err := ReadStatus("status", strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	want := []Package{
		{Name: "a", Version: "1", Architecture: "amd64", Priority: "required", Essential: true, Phased: -1, Status: "install ok installed"},
		{Name: "gone", Version: "2", Architecture: "all", Phased: -1, Status: "deinstall ok config-files"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want - got +:\n%s", d)
	}
	for _, bad := range []string{
		"Package: a\nVersion: 1\nArchitecture: all\n", "Package: a\nStatus: install ok installed\nArchitecture: all\n",
		"Status: unknown ok not-installed\n", "Package: a\nVersion: 1\nStatus: install ok installed\n",
	} {
		if _, err := ReadStatus("status", strings.NewReader(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestReadStatusOfThisMachine(t *testing.T) {
	f, err := os.Open("/var/lib/dpkg/status")
	if err != nil {
		need(t, "dpkg's status")
	}
	defer f.Close()
	got, err := ReadStatus("status", f)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\n").Output()
	if err != nil {
		need(t, "dpkg-query")
	}
	want := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		want[strings.TrimSpace(line)] = true
	}
	for _, p := range got {
		if s := p.Name + " " + p.Version + " " + p.Architecture; !want[s] {
			t.Errorf("dpkg-query does not have %s", s)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d packages, want %d", len(got), len(want))
	}
}

// FuzzReadPackages: whatever is accepted is sound.
func FuzzReadPackages(f *testing.F) {
	f.Add([]byte(stanzaOf()))
	f.Add([]byte(stanzaOf("Source", "x (1)", "Depends", "a,\n b") + stanzaOf("SHA256", sumB)))
	f.Add([]byte(stanzaOf("Status", "install ok installed", "Size", "99999")))
	f.Fuzz(func(t *testing.T, data []byte) {
		ReadStatus("status", bytes.NewReader(data)) // must not panic
		pkgs, err := ReadPackages("Packages", bytes.NewReader(data), 3)
		if err != nil {
			return
		}
		bytesOf := make(map[string]manifest.Blob)
		for _, p := range pkgs {
			if checkIndexed(&p) != nil || p.Archive != 3 || p.Blob.Size <= 0 || p.Blob.SHA256.IsZero() {
				t.Fatalf("accepted %+v", p)
			}
			if strings.Contains("/"+p.Filename+"/", "/../") || p.Filename[0] == '/' {
				t.Fatalf("accepted path %q", p.Filename)
			}
			if old, ok := bytesOf[p.Filename]; ok && old != p.Blob {
				t.Fatalf("accepted two hashes of %s", p.Filename)
			}
			bytesOf[p.Filename] = p.Blob
			if strings.ContainsAny(p.Depends+p.Provides+p.Breaks, "\n\x00") {
				t.Fatalf("a relation with a line break: %+v", p)
			}
		}
	})
}
