package differ

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// One difference is planted in each pair; the answer must name it.

// varied is what the builds had differently.
func varied() *Explainer {
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	return &Explainer{
		Known:      []Known{{"host name", "satchel", "otherwise"}, {"number of processors", "2", "1"}, {"kernel release", "6.18.44", "2.6.78"}},
		Times:      Times{at, at.Add(time.Minute), at.Add(2 * time.Minute), at.Add(3 * time.Minute)},
		SecondPids: 3000,
	}
}

const (
	firstTime  = 1795683610 // in the first build of varied
	secondTime = 1795683730
)

// tell writes differences as a tree.
func tell(all []Difference, indent string) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "%s%s: %s: %s", indent, d.Where, d.Kind, d.Text)
		if d.First != "" || d.Second != "" {
			fmt.Fprintf(&b, " [%s|%s]", d.First, d.Second)
		}
		if d.Hint != "" {
			fmt.Fprintf(&b, " <%s>", d.Hint)
		}
		if d.More > 0 {
			fmt.Fprintf(&b, " +%d", d.More)
		}
		b.WriteByte('\n')
		b.WriteString(tell(d.Inside, indent+" "))
	}
	return b.String()
}

// explain is the answer for two contents.
func explain(t testing.TB, e *Explainer, a, b []byte) string {
	t.Helper()
	if e.Scratch == "" {
		e.Scratch = t.TempDir()
	}
	d, err := e.Contents(t.Context(), "x", bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(e.Scratch)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the scratch folder: %v, %v", left, err)
	}
	if d == nil {
		return ""
	}
	return tell([]Difference{*d}, "")
}

func TestPlanted(t *testing.T) {
	long := strings.Repeat("line\n", 5000)
	noise := strings.Repeat("\x00\x01\xff\xfe", 300)
	deep := func(text string) []byte {
		deb := arOf(0, plain("debian-binary", "2.0\n"), plain("data.tar.xz", string(xzOf(tarOf(tar.FormatGNU, entry{"./usr/", "", tar.Header{Typeflag: tar.TypeDir}}, plain("./usr/x.jar", string(zipOf(time.Unix(0, 0), zip.Deflate, plain("META-INF/MANIFEST.MF", text)))))))))
		return gz(9, gzip.Header{}, tarOf(tar.FormatPAX, plain("p.deb", string(deb))))
	}
	number := func(n uint32) string { return noise + string(binary.LittleEndian.AppendUint32(nil, n)) + noise }
	for name, tt := range map[string]struct {
		a, b string
		want string // lines that the answer has, one after the other
	}{
		"equal":         {"same", "same", ""},
		"host name":     {"built on satchel\n", "built on otherwise\n", "line 1: text: another line [built on satchel|built on otherwise] <the host name of each build, satchel and otherwise>"},
		"processors":    {"a\nmake -j2\n", "a\nmake -j1\n", "line 2: text|<the number of processors of each build, 2 and 1>"},
		"not those":     {"v12.2\n", "v12.1\n", "line 1: text: another line [v12.2|v12.1]\n"},
		"seconds":       {fmt.Sprintf("t=%d\n", firstTime), fmt.Sprintf("t=%d\n", secondTime), "<the time of each build, as seconds since 1970>"},
		"nanoseconds":   {fmt.Sprintf("t=%d123456789\n", firstTime), fmt.Sprintf("t=%d023456789\n", secondTime), "<the time of each build, as nanoseconds since 1970>"},
		"date":          {"Thu Nov 26 09:00:10 UTC 2026\n", "Thu Nov 26 09:02:10 UTC 2026\n", "<a date or a time of day>"},
		"day":           {"20261126\n", "20261127\n", "<a date or a time of day>"},
		"address":       {"at 0x7ffc3a001f20\n", "at 0x7fffffffe000\n", "<an address in memory>"},
		"uuid":          {"1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e", "<a UUID"},
		"hash":          {strings.Repeat("a1", 20), strings.Repeat("b2", 20), "<a hash"},
		"temporary":     {"open /tmp/ccXbZ1.o", "open /tmp/ccQrT9.o", "<the name of a temporary file>"},
		"pid":           {"pid 41", "pid 3055", "<perhaps a process number: those of the second build were above 3000>"},
		"path":          {"in /home/a/x.c", "in /home/b/x.c", "<part of a path>"},
		"order":         {"b\na\nc\n", "c\nb\na\n", "line 1: order: the same lines in another order [b|c]"},
		"words":         {"{b, a, c}\n", "{c, b, a}\n", "line 1: order: the same words in another order"},
		"longer":        {"a\nb\n", "a\n", "line 2: text: the second ends before it [b|]"},
		"line end":      {"a\n", "a\r\n", "line 1: text: another line"},
		"no line end":   {"a\n", "a", "line 1: text: the end of the line"},
		"many lines":    {strings.ReplaceAll(long, "line", "x"), long, "+4999"},
		"long line":     {strings.Repeat("y", 50000) + "satchel" + noiseText, strings.Repeat("y", 50000) + "otherwise" + noiseText, "<the host name"},
		"bytes":         {noise + "\x02" + noise, noise + "\x03" + noise, "byte 0x4b0: bytes: bytes differ [00 01 ff fe 02"},
		"string":        {noise + "on satchel\x00", noise + "on otherwise\x00", "byte 0x4b3: bytes: bytes differ, and there are 1211 and 1213 [\"on satchel\"|\"on otherwise\"] <the host name"},
		"binary time":   {number(firstTime), number(secondTime), "<the time of each build, as a number of 4 bytes (LittleEndian)>"},
		"cut off":       {noise, noise[:400], "byte 0x190: bytes: the second ends here, after 400 bytes; the first has 1200"},
		"other kind":    {"\x7fELF" + noise, "text", "x: type: another kind of file [ELF|text]"},
		"empty":         {"", "x", "first ends before it"},
		"tar time":      {string(tarOf(tar.FormatGNU, entry{"a", "x", tar.Header{ModTime: time.Unix(firstTime, 0)}}, plain("b", ""))), string(tarOf(tar.FormatGNU, entry{"a", "x", tar.Header{ModTime: time.Unix(secondTime, 0)}}, plain("b", ""))), "member a: time: modification time [2026-11-26T09:00:10Z|2026-11-26T09:02:10Z] <the time of each build"},
		"tar owner":     {string(tarOf(tar.FormatPAX, entry{"a", "", tar.Header{Uname: "alice"}})), string(tarOf(tar.FormatPAX, entry{"a", "", tar.Header{Uname: "bob"}})), "member a: owner: user name [alice|bob]"},
		"tar mode":      {string(tarOf(tar.FormatPAX, entry{"a", "", tar.Header{Mode: 0o644}})), string(tarOf(tar.FormatPAX, entry{"a", "", tar.Header{Mode: 0o664}})), "member a: mode: mode [0644|0664]"},
		"tar order":     {string(tarOf(tar.FormatUSTAR, plain("b", ""), plain("a", ""))), string(tarOf(tar.FormatUSTAR, plain("a", ""), plain("b", ""))), "member 1: order: the same members in another order [b|a] <as a folder"},
		"tar presence":  {string(tarOf(tar.FormatGNU, plain("a", ""))), string(tarOf(tar.FormatGNU, plain("a", ""), plain("b", ""), plain("c", ""))), "member b: presence: only in the second [|b] +1"},
		"tar link":      {string(tarOf(tar.FormatGNU, entry{"l", "", tar.Header{Typeflag: tar.TypeSymlink, Linkname: "a"}})), string(tarOf(tar.FormatGNU, entry{"l", "", tar.Header{Typeflag: tar.TypeSymlink, Linkname: "b"}})), "member l: link: link [a|b]"},
		"tar record":    {string(tarOf(tar.FormatPAX, entry{"a", "", tar.Header{PAXRecords: map[string]string{"SCHILY.xattr.user.x": "satchel"}}})), string(tarOf(tar.FormatPAX, entry{"a", "", tar.Header{PAXRecords: map[string]string{"SCHILY.xattr.user.x": "otherwise"}}})), "extended records [SCHILY.xattr.user.x=satchel|SCHILY.xattr.user.x=otherwise] <the host name"},
		"tar form":      {string(tarOf(tar.FormatPAX, plain("a", ""))), string(tarOf(tar.FormatGNU, plain("a", ""))), "member a: header: form of the header"},
		"tar padding":   {string(tarOf(tar.FormatGNU, plain("a", ""))), string(tarOf(tar.FormatGNU, plain("a", ""))) + strings.Repeat("\x00", 512), "x: content: tar archive\n byte 0x600: bytes: the first ends here"},
		"ar time":       {string(arOf(firstTime, plain("a.o/", noise))), string(arOf(secondTime, plain("a.o/", noise))), "member a.o: time: modification time"},
		"ar owner":      {string(arOf(0, entry{"a.o/", noise, tar.Header{Uid: 1000}})), string(arOf(0, entry{"a.o/", noise, tar.Header{Uid: 0}})), "member a.o: owner: user [1000|0]"},
		"ar order":      {string(arOf(0, plain("a.o/", "x"), plain("b.o/", "y"))), string(arOf(0, plain("b.o/", "y"), plain("a.o/", "x"))), "member 1: order: the same members"},
		"ar long names": {string(arOf(0, plain("//", "a-long-name-of-a-member.o/\n"), plain("/0", "x"))), string(arOf(0, plain("//", "a-long-name-of-a-member.o/\n"), plain("/0", "y"))), "member a-long-name-of-a-member.o: content: text\n  line 1"},
		"ar bsd names":  {string(arOf(0, plain("#1/8", "name.o\x00\x00x"))), string(arOf(0, plain("#1/8", "name.o\x00\x00y"))), "member name.o: content: text\n  line 1: text: another line [x|y]"},
		"gzip time":     {string(gz(9, gzip.Header{ModTime: time.Unix(firstTime, 0)}, []byte("x"))), string(gz(9, gzip.Header{ModTime: time.Unix(secondTime, 0)}, []byte("x"))), "header: time: modification time (gzip -n leaves it out) [2026-11-26T09:00:10Z|2026-11-26T09:02:10Z] <the time of each build"},
		"gzip name":     {string(gz(9, gzip.Header{Name: "a"}, []byte("x"))), string(gz(9, gzip.Header{Name: "b"}, []byte("x"))), "header: header: name (gzip -n leaves it out) [a|b]"},
		"gzip system":   {string(gz(9, gzip.Header{OS: 3}, []byte("x"))), string(gz(9, gzip.Header{OS: 255}, []byte("x"))), "header: header: operating system [3|255]"},
		"gzip level":    {string(gz(9, gzip.Header{}, []byte(long))), string(gz(1, gzip.Header{}, []byte(long))), "x: content: gzip\n header: header: level [best|fastest]\n"},
		"gzip program":  {string(gz(5, gzip.Header{}, []byte(long))), string(gz(6, gzip.Header{}, []byte(long + long)[:len(long)])), ""},
		"gzip content":  {string(gz(9, gzip.Header{}, []byte("a"))), string(gz(9, gzip.Header{}, []byte("b"))), "content: content: text\n  line 1: text: another line [a|b]"},
		"zstd content":  {string(zst([]byte("a"))), string(zst([]byte("b"))), "x: content: zstd\n content: content: text\n  line 1"},
		"xz content":    {string(xzOf([]byte("a"))), string(xzOf([]byte("b"))), "x: content: xz\n content: content: text\n  line 1"},
		"zip time":      {string(zipOf(time.Unix(firstTime, 0), zip.Store, plain("a", "x"))), string(zipOf(time.Unix(secondTime, 0), zip.Store, plain("a", "x"))), "member a: time: modification time"},
		"zip order":     {string(zipOf(time.Unix(0, 0), zip.Store, plain("a", ""), plain("b", ""))), string(zipOf(time.Unix(0, 0), zip.Store, plain("b", ""), plain("a", ""))), "member 1: order: the same members"},
		"zip mode":      {string(zipOf(time.Unix(0, 0), zip.Store, entry{"a", "", tar.Header{Mode: 0o755}})), string(zipOf(time.Unix(0, 0), zip.Store, entry{"a", "", tar.Header{Mode: 0o644}})), "member a: mode: mode"},
		"zip packing":   {string(zipOf(time.Unix(0, 0), zip.Store, plain("a", "x"))), string(zipOf(time.Unix(0, 0), zip.Deflate, plain("a", "x"))), "member a: header: way of packing [0|8]"},
		"deep":          {string(deep("Built-By: satchel\n")), string(deep("Built-By: otherwise\n")), "member p.deb: content: ar archive|member data.tar.xz: content: xz|content: content: tar archive|member ./usr/x.jar: content: zip archive|member META-INF/MANIFEST.MF: content: text|line 1: text|<the host name"},
		"png text":      {string(pngOf("IHDR0123456789012", "tEXtdate\x00satchel", "IEND")), string(pngOf("IHDR0123456789012", "tEXtdate\x00otherwise", "IEND")), "chunk tEXt: content: bytes|\"satchel\"|\"otherwise\"] <the host name"},
		"png time":      {string(pngOf("IHDR0123456789012", "tIME\x07\xea\x0b\x1a\x09\x00\x01", "IEND")), string(pngOf("IHDR0123456789012", "tIME\x07\xea\x0b\x1a\x09\x02\x01", "IEND")), "chunk tIME: time: time of the last change"},
		"pdf date":      {"%PDF-1.4\n<< /Producer (x) /CreationDate (D:20261126090001Z) >>\nendobj", "%PDF-1.4\n<< /Producer (x) /CreationDate (D:20261126090201Z) >>\nendobj", "entry /CreationDate: time: bytes differ"},
		"pdf id":        {"%PDF-1.4\n/ID [<00ff>]", "%PDF-1.4\n/ID [<11ff>]", "entry /ID: identifier"},
		"pyc time":      {string(pyc(firstTime, noise)), string(pyc(secondTime, noise)), "header: time: modification time of the source [2026-11-26T09:00:10Z|2026-11-26T09:02:10Z] <the time of each build"},
		"pyc code":      {string(pyc(0, noise+"a")), string(pyc(0, noise+"b")), "code: content: bytes\n  byte 0x4b0"},
		"pe time":       {string(peOf(firstTime, noise)), string(peOf(secondTime, noise)), "header: time: time of linking (ld --no-insert-timestamp leaves it out) [2026-11-26T09:00:10Z|2026-11-26T09:02:10Z] <the time"},
		"pe section":    {string(peOf(0, noise+"on satchel")), string(peOf(0, noise+"on otherwi")), "section .text: content: bytes\n  byte 0x4b3"},
		"macho uuid":    {string(machoOf("0123456789abcdef", noise)), string(machoOf("0123456789abcdeF", noise)), "load command LC_UUID: identifier: UUID"},
		"macho section": {string(machoOf("0123456789abcdef", noise+"a")), string(machoOf("0123456789abcdef", noise+"b")), "section __TEXT,__text: content: bytes\n  byte 0x4b0"},
	} {
		got := explain(t, varied(), []byte(tt.a), []byte(tt.b))
		if name == "gzip program" && tt.a != tt.b { // two levels without a mark
			tt.want = "x: content: gzip\n byte 0x"
		}
		rest := got
		for _, want := range wants(tt.want) {
			_, after, ok := strings.Cut(rest, want)
			if !ok {
				t.Errorf("%s: want %q in\n%s", name, want, got)
				break
			}
			rest = after
		}
		if tt.want == "" && got != "" {
			t.Errorf("%s: got %q", name, got)
		}
		if tt.a != tt.b && !strings.Contains(got, "\n") {
			t.Errorf("%s: nothing is said", name)
		}
	}
}

const noiseText = "zzzz"

// wants splits at the bars outside of brackets.
func wants(s string) []string {
	var out []string
	depth, from := 0, 0
	for i, c := range s {
		switch c {
		case '[':
			depth++
		case ']':
			depth--
		case '|':
			if depth == 0 {
				out = append(out, s[from:i])
				from = i + 1
			}
		}
	}
	return append(out, s[from:])
}

// TestELF compares real programs: one string, one order of objects.
func TestELF(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not installed")
	}
	dir := t.TempDir()
	build := func(name, source string, args ...string) []byte {
		t.Helper()
		src, out := filepath.Join(dir, "x.c"), filepath.Join(dir, name)
		if err := os.WriteFile(src, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command("gcc", append(args, "-o", out, src)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const source = `const char *host = "on %s"; int f(void) { return %s; } int main(void) { return host[0] + f(); }`
	for _, how := range [][]string{{"-Wl,--build-id"}, {"-Wl,--build-id", "-g", "-gz=zlib"}, {"-c"}} {
		a := build("a", fmt.Sprintf(source, "satchel", "1"), how...)
		b := build("b", fmt.Sprintf(source, "otherwi", "1"), how...)
		e := varied()
		e.Known = append(e.Known, Known{"planted word", "satchel", "otherwi"})
		got := explain(t, e, a, b)
		want := "section .rodata: content: bytes\n  byte "
		if how[0] == "-c" {
			want = "section .rodata"
		}
		if !strings.Contains(got, want) || !strings.Contains(got, "<the planted word of each build, satchel and otherwi>") {
			t.Errorf("%v: got\n%s", how, got)
		}
		if how[0] != "-c" && !strings.Contains(got, "section .note.gnu.build-id: content: bytes; a hash of all the rest") {
			t.Errorf("%v: no word of the build ID\n%s", how, got)
		}
		if i, j := strings.Index(got, ".rodata"), strings.Index(got, ".note.gnu"); j >= 0 && i > j {
			t.Errorf("%v: the build ID comes first\n%s", how, got)
		}
	}
	a := build("a", fmt.Sprintf(source, "x", "1"), "-c", "-fident")
	b := build("b", fmt.Sprintf(source, "x", "1"), "-c", "-fno-ident")
	if got := explain(t, varied(), a, b); !strings.Contains(got, "section .comment: presence: only in the first") {
		t.Errorf("another .comment: got\n%s", got)
	}
}

func TestTrees(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for dir, other := range map[string]string{a: "satchel", b: "otherwise"} {
		for name, text := range map[string]string{"same": "same", "d/host": other, "only-" + other: ""} {
			p := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(p), 0o755)
			if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		os.Symlink(other, filepath.Join(dir, "link"))
		os.Mkdir(filepath.Join(dir, "kind"), 0o755)
	}
	os.Remove(filepath.Join(b, "kind"))
	os.WriteFile(filepath.Join(b, "kind"), nil, 0o644)
	os.Chmod(filepath.Join(b, "same"), 0o755)
	e := varied()
	found, err := e.Trees(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	const want = `d/host: content: text
 line 1: text: another line [satchel|otherwise] <the host name of each build, satchel and otherwise>
kind: type: another kind of file [folder|file]
link: link: it leads elsewhere [satchel|otherwise] <the host name of each build, satchel and otherwise>
only-otherwise: presence: only in the second
only-satchel: presence: only in the first
same: mode: mode [-rw-r--r--|-rwxr-xr-x]
`
	if got := tell(found, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	e.Limits.Files = 1
	os.WriteFile(filepath.Join(a, "z"), []byte("1"), 0o644)
	os.WriteFile(filepath.Join(b, "z"), []byte("2"), 0o644)
	if found, err = e.Trees(t.Context(), a, b); err != nil || !strings.Contains(tell(found, ""), "z: limit: it differs, first at byte 0x0") {
		t.Errorf("got %v\n%s", err, tell(found, ""))
	}
	if found, err = e.Trees(t.Context(), a, a); err != nil || found != nil {
		t.Errorf("the same: got %v, %v", found, err)
	}
}

// TestDiffoscope compares with the reference: of the same pairs, diffoscope names the same
// pieces.
func TestDiffoscope(t *testing.T) {
	if _, err := exec.LookPath("diffoscope"); err != nil {
		t.Skip("diffoscope is not installed")
	}
	a, b := t.TempDir(), t.TempDir()
	pair := func(name string, x, y []byte) {
		for dir, text := range map[string][]byte{a: x, b: y} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	two := func(text string) []entry { return []entry{plain("same-piece", "s"), plain("other-piece", text)} }
	pair("a.tar", tarOf(tar.FormatGNU, two("1\n")...), tarOf(tar.FormatGNU, two("2\n")...))
	pair("b.tar.gz", gz(9, gzip.Header{}, tarOf(tar.FormatPAX, two("1\n")...)), gz(9, gzip.Header{}, tarOf(tar.FormatPAX, two("2\n")...)))
	pair("c.zip", zipOf(time.Unix(firstTime, 0), zip.Deflate, two("1\n")...), zipOf(time.Unix(firstTime, 0), zip.Deflate, two("2\n")...))
	pair("d.tar.xz", xzOf(tarOf(tar.FormatGNU, two("1\n")...)), xzOf(tarOf(tar.FormatGNU, two("2\n")...)))
	pair("e.txt", []byte("one\ntwo\n"), []byte("one\n2\n"))
	pair("f-same.tar", tarOf(tar.FormatGNU, two("1\n")...), tarOf(tar.FormatGNU, two("1\n")...))
	found, err := varied().Trees(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("diffoscope", "--text", "-", "--no-progress", "--exclude-directory-metadata", "yes", a, b).Output()
	if err == nil {
		t.Fatal("diffoscope finds them equal")
	}
	if len(found) != 5 {
		t.Errorf("found\n%s", tell(found, ""))
	}
	for name := range strings.FieldsSeq("a.tar b.tar.gz c.zip d.tar.xz e.txt f-same.tar same-piece other-piece") {
		if ours, theirs := strings.Contains(tell(found, ""), name), strings.Contains(string(out), name+"\n") || strings.Contains(string(out), "\u2500 "+name); ours != theirs {
			t.Errorf("%s: told here: %v, by diffoscope: %v\n%s\n%s", name, ours, theirs, tell(found, ""), out)
		}
	}
}
