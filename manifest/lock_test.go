package manifest

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// digest makes a digest of a name.
func digest(s string) Digest { return Sum([]byte(s)) }

func blob(s string) Blob { return Blob{SHA256: digest(s), Size: int64(len(s))} }

// sampleLock is a lock that uses every key of the format.
func sampleLock() *Lock {
	known := digest("gzip")
	commit := strings.Repeat("1234567890", 4)
	return &Lock{
		Version: LockVersion,
		Descriptors: []DescriptorPin{{
			Name: "hello", File: "hello.yml", Blob: blob("descriptor"), Reference: "2024-01-02 03:04:05",
			Sources: []SourcePin{{
				Dir: "tool", URL: "https://example.org/tool.git", Ref: "release/1.0", Commit: commit,
				Tag: strings.Repeat("ab", 20), Date: "2023-12-31 23:59:59", Pack: blob("pack"),
				Submodules: []SubmodulePin{{Path: "lib/a", Name: "lib/a", URL: "../a.git", Commit: commit, Pack: blob("sub")}},
			}},
			Files: []FilePin{
				{Name: "hello_2.10.orig.tar.gz", Blob: blob("tarball"), SourcePackage: "hello", Archive: "debian/bookworm", Path: "pool/main/h/hello/hello_2.10.orig.tar.gz"},
				{Name: "MacOSX10.11.sdk.tar.gz", Blob: blob("sdk"), Private: true},
				{Name: "noscript@noscript.net.xpi", Blob: blob("xpi"), URL: "https://example.org/a.xpi?x=1&y=2"},
			},
		}},
		Archives: []ArchivePin{{
			Name: "debian", Suite: "bookworm", Components: []string{"contrib", "main"}, Date: "2024-01-01T00:00:00Z",
			SignedBy: []string{strings.Repeat("AB", 20)}, Keyring: blob("keyring"),
			Release: []ArchiveFile{{Path: "InRelease", Blob: blob("inrelease")}},
			Indexes: []ArchiveFile{{Path: "main/binary-amd64/Packages.xz", Blob: blob("packages")}, {Path: "main/source/Sources.xz", Blob: blob("sources")}},
		}},
		Targets: []Target{{
			Descriptor: "hello", Distro: "debian", Suite: "bookworm", Architecture: "amd64",
			Image: Image{Kind: ImageBootstrap},
			Packages: []PackagePin{
				{Name: "adduser", Version: "3.134", Architecture: "all", Archive: "debian/bookworm", Path: "pool/main/a/adduser/adduser_3.134_all.deb", Blob: blob("adduser"), Why: "essential"},
				{Name: "libc6", Version: "2.36-9+deb12u10", Architecture: "amd64", Archive: "debian/bookworm", Path: "pool/main/g/glibc/libc6_2.36-9+deb12u10_amd64.deb", Blob: blob("libc6"), Why: "dependency of adduser"},
				{Name: "libc6", Version: "2.36-9+deb12u10", Architecture: "i386", Archive: "debian/bookworm", Path: "pool/main/g/glibc/libc6_2.36-9+deb12u10_i386.deb", Blob: blob("libc6-i386"), Why: "asked for"},
			},
		}, {
			Descriptor: "hello", Distro: "ubuntu", Suite: "bionic", Architecture: "i386",
			Image: Image{
				Kind: ImageOCI, From: "debian.tar.xz",
				Manifest: &OCIBlob{MediaType: "application/vnd.oci.image.manifest.v1+json", Blob: blob("m")},
				Config:   &OCIBlob{MediaType: "application/vnd.oci.image.config.v1+json", Blob: blob("c")},
				Layers:   []OCIBlob{{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Blob: blob("l")}},
			},
			Packages:  []PackagePin{},
			Installed: []InstalledPin{{Name: "gzip", Version: "1:1.6-5", Architecture: "i386", SHA256: &known}, {Name: "zlib1g", Version: "1", Architecture: "i386"}},
		}},
	}
}

func TestLockCanonicalForm(t *testing.T) {
	got, err := sampleLock().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/sample.lock")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLockReadsItself(t *testing.T) {
	data, err := os.ReadFile("testdata/sample.lock")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseLock("sample.lock", data)
	if err != nil {
		t.Fatal(err)
	}
	if want := sampleLock(); !reflect.DeepEqual(l, want) {
		t.Errorf("got %+v, want %+v", l, want)
	}
}

// TestLockAnyFormatting reads the lock in other YAML, and as JSON, and writes
// the canonical form of it.
func TestLockAnyFormatting(t *testing.T) {
	want, err := os.ReadFile("testdata/sample.lock")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"CRLF and BOM":  "\xef\xbb\xbf" + strings.ReplaceAll(string(want), "\n", "\r\n"),
		"comments":      "# a lock\n---\n" + strings.ReplaceAll(string(want), "name: adduser", "name: 'adduser' # first"),
		"flow":          strings.Replace(string(want), "components:\n      - contrib\n      - main", "components: [contrib, \"main\"]", 1),
		"key order":     strings.Replace(string(want), "  - name: debian\n    suite: bookworm\n", "  - suite: bookworm\n    name: debian\n", 1),
		"explicit zero": strings.Replace(string(want), "      kind: bootstrap\n", "      kind: bootstrap\n      merged-usr: false\n", 1),
	} {
		l, err := ParseLock("x.lock", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := l.Marshal(); err != nil || string(got) != string(want) {
			t.Errorf("%s: got\n%s, %v", name, got, err)
		}
	}
}

// TestLockRefuses changes one thing of a sound lock.
func TestLockRefuses(t *testing.T) {
	data, err := os.ReadFile("testdata/sample.lock")
	if err != nil {
		t.Fatal(err)
	}
	sound := string(data)
	for _, tt := range []struct{ old, new, want string }{
		{"satchel-lock: 1", "satchel-lock: 2", `x.lock:1: satchel-lock: version 2 is not known`},
		{"satchel-lock: 1", "satchel-lock: \"1\"", `x.lock:1: satchel-lock: "1" is no whole number`},
		{"satchel-lock: 1", "satchel-lock: 01", `x.lock:1: satchel-lock: "01" is no whole number`},
		{"satchel-lock: 1\n", "", `x.lock:1: satchel-lock is missing`},
		{"satchel-lock: 1\n", "satchel-lock: 1\nnote: x\n", `x.lock:2: the document: unknown key "note"`},
		{"    size: 10\n", "    size: 10\n    sizes: 10\n", `x.lock:7: descriptors[0]: unknown key "sizes"`},
		{"    size: 10\n", "    size: 10\n    size: 10\n", `x.lock:7: key "size" stands here and in line 6`},
		{"    size: 10\n", "", `x.lock:3: descriptors[0].size is missing`},
		{"    size: 10\n", "    size: -1\n", `x.lock:6: descriptors[0].size: -1 is no size`},
		{"    size: 10\n", "    size: 1099511627777\n", `x.lock:6: descriptors[0].size: 1099511627777 is no size`},
		{"    size: 10\n", "    size: 99999999999999999999\n", `x.lock:6: descriptors[0].size: "99999999999999999999" is no whole number`},
		{"    size: 10\n", "    size: 1e1\n", `x.lock:6: descriptors[0].size: "1e1" is no whole number`},
		{"    size: 10\n", "    size: 5000000\n", `x.lock:6: descriptors[0].size: a descriptor has at most`},
		{"    size: 10\n", "    size: ~\n", `x.lock:6: descriptors[0].size must be a value, not nothing`},
		{"sha256: 194b", "sha256: 194B", `x.lock:5: descriptors[0].sha256: reading digest`},
		{"sha256: 194b", "sha256: 94b", `x.lock:5: descriptors[0].sha256: reading digest`},
		{"name: hello\n", "name: [hello]\n", `x.lock:3: descriptors[0].name must be a value, not a list`},
		{"name: hello\n", "name: &a hello\n", `x.lock:3: descriptors[0].name: anchors and aliases are not allowed`},
		{"name: hello\n", "name: !!str hello\n", `x.lock:3: descriptors[0].name: tags are not allowed`},
		{"file: hello.yml", "file: a/hello.yml", `x.lock:4: descriptors[0].file: "a/hello.yml" is no name of a file`},
		{"file: hello.yml", "file: \"a\\e[2J\"", `x.lock:4: descriptors[0].file:`},
		{`reference: "2024-01-02 03:04:05"`, `reference: "2024-01-02"`, `x.lock:7: descriptors[0].reference: "2024-01-02" is no time`},
		{`commit: "1234567890123456789012345678901234567890"`, `commit: v1.0`, `x.lock:12: descriptors[0].sources[0].commit: "v1.0" is no git object`},
		{`commit: "1234567890123456789012345678901234567890"`, `commit: "0000000000000000000000000000000000000000"`, `x.lock:12: descriptors[0].sources[0].commit:`},
		{"url: https://example.org/tool.git", `url: "--upload-pack=x"`, `x.lock:10: descriptors[0].sources[0].url:`},
		{"ref: release/1.0", "ref: \"-x\"", `x.lock:11: descriptors[0].sources[0].ref:`},
		{"path: lib/a", "path: ../lib", `x.lock:19: descriptors[0].sources[0].submodules[0].path: "../lib" is no clean relative path`},
		{"path: lib/a", "path: /lib", `x.lock:19: descriptors[0].sources[0].submodules[0].path:`},
		{"path: lib/a", "path: lib//a", `x.lock:19: descriptors[0].sources[0].submodules[0].path:`},
		{"name: MacOSX10.11.sdk.tar.gz", "name: hello_2.10.orig.tar.gz", `x.lock:33: descriptors[0].files[1]: "hello_2.10.orig.tar.gz" is listed twice`},
		{"private: true", "private: yes", `x.lock:36: descriptors[0].files[1].private: write true or false`},
		{"        source-package: hello\n", "", `x.lock:27: descriptors[0].files[0]: archive and path stand only beside source-package`},
		{"        archive: debian/bookworm\n        path: pool/main/h", "        archive: debian/sid\n        path: pool/main/h", `x.lock:31: descriptors[0].files[0].archive: "debian/sid" is not among the archives`},
		{"url: https://example.org/a.xpi?x=1&y=2", "url: file:///etc/passwd", `x.lock:40: descriptors[0].files[2].url:`},
		{"url: https://example.org/a.xpi?x=1&y=2", "url: https://me:secret@example.org/", `x.lock:40: descriptors[0].files[2].url:`},
		{"      - contrib\n      - main\n", "      - main\n      - contrib\n", `x.lock:46: archives[0].components[1]: "contrib" must come before "main"`},
		{"      - contrib\n      - main\n", "      - main\n      - main\n", `x.lock:46: archives[0].components[1]: "main" is listed twice`},
		{"date: \"2024-01-01T00:00:00Z\"", "date: \"2024-01-01T00:00:00+01:00\"", `x.lock:47: archives[0].date:`},
		{"ABABABABABABABABABABABABABABABABABABABAB", "ABABABAB", `x.lock:49: archives[0].signed-by[0]:`},
		{"path: InRelease", "path: Release", `x.lock:53: archives[0].release: want InRelease, or Release and Release.gpg`},
		{"descriptor: hello\n", "descriptor: other\n", `x.lock:65: targets[0].descriptor: "other" is not among the descriptors`},
		{"architecture: amd64\n    image", "architecture: sparc\n    image", `x.lock:68: targets[0].architecture: "sparc" is unknown`},
		{"kind: bootstrap", "kind: magic", `x.lock:70: targets[0].image.kind: "magic" is unknown`},
		{"kind: bootstrap", "kind: bootstrap\n      from: x", `x.lock:69: targets[0].image: kind bootstrap has no from`},
		{"kind: oci", "kind: bootstrap", `x.lock:100: targets[1].image: kind bootstrap has no from`},
		{"      from: debian.tar.xz\n", "", `x.lock:100: targets[1].image.from: "" does not say`},
		{"name: adduser", "name: Adduser", `x.lock:72: targets[0].packages[0].name: "Adduser" is no name of a package`},
		{"version: \"3.134\"", "version: \"3 134\"", `x.lock:73: targets[0].packages[0].version: "3 134" is no version`},
		{"architecture: all", "architecture: a/b", `x.lock:74: targets[0].packages[0].architecture:`},
		{"path: pool/main/a/adduser/adduser_3.134_all.deb", "path: pool/../../etc/passwd", `x.lock:76: targets[0].packages[0].path:`},
		{"why: essential", "why: because", `x.lock:79: targets[0].packages[0].why: "because" is none of`},
		{"name: adduser", "name: zlib1g", `x.lock:80: targets[0].packages[1]: "libc6 amd64" must come before "zlib1g all"`},
		{"architecture: i386\n        archive", "architecture: amd64\n        archive", `x.lock:88: targets[0].packages[2]: "libc6 amd64" is listed twice`},
		{"media-type: application/vnd.oci.image.config.v1+json", "media-type: config", `x.lock:108: targets[1].image.config.media-type:`},
		{"suite: bionic\n    architecture: i386", "suite: bookworm\n    architecture: amd64", `x.lock:96: targets[1]: "hello bookworm amd64" is listed twice`},
		{"sha256: 2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6", "sha256: 62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a\n        siz: 2", `x.lock:110: targets[1].image.config: unknown key "siz"`},
		{"2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6\n        size: 1", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a\n        size: 2", `x.lock:110: targets[1].image.config.size: sha256:62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a has 2 bytes here and 1 elsewhere`},
		{"libc6_2.36-9+deb12u10_i386.deb", "libc6_2.36-9+deb12u10_amd64.deb", `x.lock:88: targets[0].packages[2]: pool/main/g/glibc/libc6_2.36-9+deb12u10_amd64.deb of debian/bookworm is sha256:`},
		{"installed:\n", "installed: {}\n    x:\n", `x.lock:116: targets[1].installed must be a list, not a mapping`},
		{sound, "", `x.lock:1: it is empty`},
		{sound, "satchel-lock: 1\ndescriptors: []\narchives: []\ntargets: []\n", `x.lock:2: descriptors: there is none`},
		{sound, "a\n", `x.lock:1: the document must be a mapping`},
		{sound, sound + "---\n" + sound, `x.lock: it holds more than one document`},
	} {
		text := strings.Replace(sound, tt.old, tt.new, 1)
		if text == sound {
			t.Fatalf("%q is not in the sound lock", tt.old)
		}
		l, err := ParseLock("x.lock", []byte(text))
		var p *Problems
		if l != nil || !errors.As(err, &p) {
			t.Errorf("with %q: got %v, %v, want nothing and *Problems", tt.new, l, err)
			continue
		}
		if !strings.Contains("\n"+err.Error(), "\n"+tt.want) {
			t.Errorf("with %q: got\n%v\nwant a line that begins with\n%s", tt.new, err, tt.want)
		}
	}
}

func TestLockMarshalRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Lock){
		"no hash":         func(l *Lock) { l.Targets[0].Packages[1].SHA256 = Digest{} },
		"no hash, image":  func(l *Lock) { l.Targets[1].Image.Layers[0].SHA256 = Digest{} },
		"no hash, pack":   func(l *Lock) { l.Descriptors[0].Sources[0].Pack = Blob{} },
		"no hash, kept":   func(l *Lock) { l.Targets[1].Installed[0].SHA256 = new(Digest) },
		"two sizes":       func(l *Lock) { l.Archives[0].Keyring.SHA256 = l.Descriptors[0].SHA256 },
		"zero":            func(l *Lock) { *l = Lock{} },
		"no targets":      func(l *Lock) { l.Targets = nil },
		"no config":       func(l *Lock) { l.Targets[1].Image.Config = nil },
		"escape":          func(l *Lock) { l.Targets[0].Packages[0].Path = "../x" },
		"newline":         func(l *Lock) { l.Targets[1].Image.From = "a\nb" },
		"merged oci":      func(l *Lock) { l.Targets[1].Image.MergedUsr = true },
		"unused":          func(l *Lock) { l.Descriptors = append(l.Descriptors, l.Descriptors[0]); l.Descriptors[1].Name = "z" },
		"unsorted":        func(l *Lock) { p := l.Targets[0].Packages; p[0], p[1] = p[1], p[0] },
		"target unsorted": func(l *Lock) { l.Targets[0].Descriptor = "z" },
	} {
		l := sampleLock()
		spoil(l)
		if b, err := l.Marshal(); err == nil || b != nil {
			t.Errorf("%s: got %d bytes, %v, want an error", name, len(b), err)
		}
	}
}

func TestLockSort(t *testing.T) {
	want := sampleLock()
	l := sampleLock()
	slices.Reverse(l.Archives[0].Components)
	slices.Reverse(l.Archives[0].Indexes)
	slices.Reverse(l.Targets[0].Packages)
	slices.Reverse(l.Targets[1].Installed)
	other := l.Archives[0]
	other.Name = "a"
	l.Archives = append(l.Archives, other)
	want.Archives = append([]ArchivePin{want.Archives[0]}, want.Archives...)
	want.Archives[0].Name = "a"
	l.Sort()
	if !reflect.DeepEqual(l, want) {
		t.Errorf("got %+v, want %+v", l, want)
	}
}

func TestLockBlobs(t *testing.T) {
	l := sampleLock()
	l.Targets[1].Packages = l.Targets[0].Packages
	again := l.Archives[0]
	again.Name = "another"
	l.Archives = append(l.Archives, again)
	l.Sort()
	refs := l.Blobs()
	if got, want := len(refs), 16; got != want {
		t.Errorf("got %d blobs, want %d", got, want)
	}
	if !slices.IsSortedFunc(refs, func(a, b Ref) int { return strings.Compare(a.SHA256.Hex(), b.SHA256.Hex()) }) {
		t.Error("they are not sorted")
	}
	titles := map[string]string{}
	for _, r := range refs {
		titles[r.Title] = r.MediaType
	}
	for title, media := range map[string]string{
		"hello.yml": MediaDescriptor, "hello_2.10.orig.tar.gz": MediaFile, "another/bookworm InRelease": MediaRelease,
		"another/bookworm keyring": MediaKeyring, "another/bookworm main/source/Sources.xz": MediaIndex,
		"pool/main/a/adduser/adduser_3.134_all.deb": MediaDeb, "debian.tar.xz layer": "application/vnd.oci.image.layer.v1.tar+gzip",
		"tool " + l.Descriptors[0].Sources[0].Commit: MediaGitPack, "tool/lib/a " + l.Descriptors[0].Sources[0].Commit: MediaGitPack,
	} {
		if titles[title] != media {
			t.Errorf("%s: got media type %q, want %q", title, titles[title], media)
		}
	}
}

func TestQuoteYAML(t *testing.T) {
	for s, want := range map[string]string{
		"hello": "hello", "dependency of g++": "dependency of g++", "": `""`, "true": `"true"`, "No": `"No"`, "y": `"y"`, "null": `"null"`,
		"1": `"1"`, "1.5": `"1.5"`, "1e5": `"1e5"`, "0x1f": `"0x1f"`, "0o7": `"0o7"`, "12:30": `"12:30"`, "2024-01-01": `"2024-01-01"`,
		"2024-01-01T00:00:00Z": `"2024-01-01T00:00:00Z"`, "1.0-1": `"1.0-1"`, "1:1.6-5+b1": "1:1.6-5+b1", "a: b": `"a: b"`, "a:": `"a:"`,
		"a #b": `"a #b"`, " a": `" a"`, "a ": `"a "`, "-": `"-"`, "~": `"~"`, "a\nb": `"a\x0ab"`, `a"\`: `"a\"\\"`, "ä": `"ä"`, "\u0085": `"\u0085"`,
		"3fe4": "3fe4", "12e4": `"12e4"`, "../a": `"../a"`, "/a": "/a", "<<": `"<<"`, "=": `"="`,
	} {
		if got := quoteYAML(s); got != want {
			t.Errorf("quoteYAML(%q): got %s, want %s", s, got, want)
		}
	}
}
