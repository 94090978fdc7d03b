package manifest

import (
	"os"
	"reflect"
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
