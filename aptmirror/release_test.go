package aptmirror

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"satchel/manifest"
)

func TestParseRelease(t *testing.T) {
	const in = `Origin: Debian
Label: Debian-Security
Suite: oldstable-security
Version: 12
Codename: bookworm-security
Date: Sat,  1 Aug 2026 00:53:02 UTC
Valid-Until: Sat, 08 Aug 2026 00:53:02 GMT
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
NotAutomatic: yes
ButAutomaticUpgrades: yes
Architectures: all amd64
Components: updates/main updates/contrib
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e 0 main/x
SHA256:
 ` + sumA + `        0 main/binary-amd64/Packages
 ` + sumB + ` 12 main/binary-amd64/Packages.gz
	` + sumB + `	12 main/source/Sources.xz
 ` + sumB + ` 12 main/source/Sources.xz
`
	r, err := ParseRelease("Release", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	want := &Release{
		Origin: "Debian", Label: "Debian-Security", Suite: "oldstable-security", Codename: "bookworm-security", Version: "12",
		Date:          time.Date(2026, 8, 1, 0, 53, 2, 0, time.UTC),
		ValidUntil:    time.Date(2026, 8, 8, 0, 53, 2, 0, time.UTC),
		Architectures: []string{"all", "amd64"}, Components: []string{"updates/main", "updates/contrib"},
		AcquireByHash: true, NotAutomatic: true, ButAutomaticUpgrades: true, NoSupportForAll: true,
		Files: map[string]manifest.Blob{
			"main/binary-amd64/Packages":    {SHA256: digest(t, sumA)},
			"main/binary-amd64/Packages.gz": {SHA256: digest(t, sumB), Size: 12},
			"main/source/Sources.xz":        {SHA256: digest(t, sumB), Size: 12},
		},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v, want %+v", r, want)
	}
	path, blob, ok := r.Index("main", "amd64")
	if path != "main/binary-amd64/Packages.gz" || blob.Size != 12 || !ok {
		t.Errorf("Index: got %s, %v, %v", path, blob, ok)
	}
	if plain, ok := r.Plain(path); !ok || plain.SHA256 != digest(t, sumA) {
		t.Errorf("Plain: got %v, %v", plain, ok)
	}
	if got := r.ByHash(path); got != "main/binary-amd64/by-hash/SHA256/"+sumB {
		t.Errorf("ByHash: got %s", got)
	}
	if got := r.ByHash("main/binary-i386/Packages.gz"); got != "" {
		t.Errorf("ByHash of a file that is not there: got %s", got)
	}
	if path, _, ok := r.SourceIndex("main"); path != "main/source/Sources.xz" || !ok {
		t.Errorf("SourceIndex: got %s, %v", path, ok)
	}
	if path, _, ok := r.Index("main", "i386"); ok {
		t.Errorf("Index of an architecture that is not there: got %s", path)
	}
	if r.NeedsAll() {
		t.Error("NeedsAll: got true, but each index has the packages of all")
	}
}

func TestParseReleaseRefused(t *testing.T) {
	head := "Codename: x\nDate: Wed, 01 Jan 2020 00:00:00 UTC\n"
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "it is empty"},
		{"no date", "SHA256:\n", "reading Date"},
		{"another zone", "Date: Wed, 01 Jan 2020 00:00:00 CEST\nSHA256:\n", "reading Date"},
		{"not a date", "Date: yesterday\nSHA256:\n", "reading Date"},
		{"bad limit", head + "Valid-Until: never\nSHA256:\n", "reading Valid-Until"},
		{"empty limit", head + "Valid-Until:\nSHA256:\n", "reading Valid-Until"},
		{"MD5 alone", head + "MD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 x\n", ErrWeakRelease.Error()},
		{"twice", head + "SHA256:\nSha256:\n", "given twice"},
		{"second stanza", head + "SHA256:\n\nA: b\n", "second stanza"},
		{"second, broken", head + "SHA256:\n\nb\n", "want a field"},
		{"conflict", head + "SHA256:\n " + sumA + " 1 x\n " + sumB + " 1 x\n", "different hashes"},
		{"other size", head + "SHA256:\n " + sumA + " 1 x\n " + sumA + " 2 x\n", "different hashes"},
		{"dot dot", head + "SHA256:\n " + sumA + " 1 ../x\n", "clean path"},
		{"absolute", head + "SHA256:\n " + sumA + " 1 /x\n", "clean path"},
		{"two words", head + "SHA256:\n " + sumA + " 1 x y\n", "character"},
		{"no path", head + "SHA256:\n " + sumA + " 1\n", "no path"},
		{"no size", head + "SHA256:\n " + sumA + "\n", "no number"},
		{"negative size", head + "SHA256:\n " + sumA + " -1 x\n", "no number"},
		{"short hash", head + "SHA256:\n " + sumA[2:] + " 1 x\n", "digest"},
		{"escape", head + "Suite: \x1b[2J\nSHA256:\n", "control character"},
		{"folded suite", head + "Suite: a\n b\nSHA256:\n", "control character"},
	} {
		r, err := ParseRelease("Release", []byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) || r != nil {
			t.Errorf("%s: got %v, %v, want %q", c.name, r, err, c.want)
		}
	}
	if _, err := ParseRelease("Release", []byte(head)); !errors.Is(err, ErrWeakRelease) {
		t.Errorf("got %v, want ErrWeakRelease", err)
	}
	many := head + "SHA256:\n" + strings.Repeat(" "+sumA+" 1 x\n", maxFiles)
	if _, err := ParseRelease("Release", []byte(many)); err != nil {
		t.Errorf("%d files: %v", maxFiles, err)
	}
	if _, err := ParseRelease("Release", []byte(many+" "+sumA+" 1 x\n")); !errors.Is(err, ErrTooBig) {
		t.Errorf("%d files: got %v, want ErrTooBig", maxFiles+1, err)
	}
}

func TestFresh(t *testing.T) {
	date := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	r := &Release{Codename: "x", Date: date, ValidUntil: date.AddDate(0, 0, 7)}
	for _, c := range []struct {
		now  time.Time
		want any
	}{
		{date, nil}, {date.AddDate(0, 0, 7), nil}, {date.Add(-clockSkew), nil},
		{date.AddDate(0, 0, 7).Add(time.Second), &ExpiredError{}},
		{date.Add(-clockSkew - time.Second), &NotYetValidError{}},
		{date.AddDate(-10, 0, 0), &NotYetValidError{}}, {date.AddDate(10, 0, 0), &ExpiredError{}},
	} {
		err := r.Fresh(c.now)
		var expired *ExpiredError
		var early *NotYetValidError
		switch c.want.(type) {
		case nil:
			if err != nil {
				t.Errorf("at %v: %v", c.now, err)
			}
		case *ExpiredError:
			if !errors.As(err, &expired) || expired.ValidUntil != r.ValidUntil {
				t.Errorf("at %v: got %v, want an ExpiredError", c.now, err)
			}
		case *NotYetValidError:
			if !errors.As(err, &early) || early.Date != r.Date {
				t.Errorf("at %v: got %v, want a NotYetValidError", c.now, err)
			}
		}
	}
	r.ValidUntil = time.Time{}
	if err := r.Fresh(date.AddDate(100, 0, 0)); err != nil {
		t.Errorf("without Valid-Until: %v", err)
	}
}

func TestIndexPrefersWhatDecodesFast(t *testing.T) {
	files := map[string]manifest.Blob{"main/binary-amd64/Packages": {Size: 1}}
	r := &Release{Files: files, Architectures: []string{"amd64", "all"}}
	if !r.NeedsAll() {
		t.Error("NeedsAll: got false")
	}
	for i, ext := range []string{"", ".lzma", ".bz2", ".xz", ".zst", ".gz"} {
		files["main/binary-amd64/Packages"+ext] = manifest.Blob{Size: int64(i + 1)}
		path, blob, ok := r.Index("main", "amd64")
		if path != "main/binary-amd64/Packages"+ext || blob.Size != int64(i+1) || !ok {
			t.Errorf("with %q: got %s, %v, %v", ext, path, blob, ok)
		}
		if plain, ok := r.Plain(path); !ok || plain.Size != 1 {
			t.Errorf("Plain(%s): got %v, %v", path, plain, ok)
		}
	}
	if got := r.ByHash("main/binary-amd64/Packages.gz"); got != "" {
		t.Errorf("ByHash in an archive without: got %s", got)
	}
}

// FuzzParseRelease: whatever is accepted is sound.
func FuzzParseRelease(f *testing.F) {
	f.Add([]byte(releaseText))
	f.Add([]byte(strings.Replace(releaseText, "amd64 all", "amd64\n all", 1)))
	f.Add([]byte("Date: Wed, 01 Jan 2020 00:00:00 UTC\nSHA256:\nValid-Until: Wed, 01 Jan 2020 00:00:00 Z\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRelease("Release", data)
		if err != nil {
			return
		}
		if r.Date.IsZero() || r.Files == nil {
			t.Fatalf("accepted %+v", r)
		}
		for path, blob := range r.Files {
			if checkPath(path) != nil || blob.SHA256.IsZero() || blob.Size < 0 {
				t.Fatalf("accepted %q, %+v", path, blob)
			}
		}
		if bytes.Count(data, []byte("\n\n")) > 0 && bytes.Contains(bytes.Trim(data, "\r\n"), []byte("\n\n")) {
			t.Fatal("accepted two stanzas")
		}
		r.Index("main", "amd64")
	})
}
