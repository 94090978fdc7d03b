package bundle

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror"
	"satchel/aptmirror/archivetest"
	"satchel/manifest"
)

func keyringOf(t *testing.T, a *archive) *aptmirror.Keyring {
	t.Helper()
	k, err := aptmirror.ReadKeyring("test", a.keyring(t))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// publish puts other indexes into the archive of a fixture, signed anew.
func (f *fixture) publish(t *testing.T, a *archive, files map[string][]byte, extra string) {
	t.Helper()
	pin := &f.lock.Archives[0]
	for i := range pin.Indexes {
		if b, ok := files[pin.Indexes[i].Path]; ok {
			pin.Indexes[i].Blob = f.blobs.add(b)
		}
	}
	pin.Release[0].Blob = f.blobs.add(a.inRelease(t, append(a.release(files), extra...)))
}

func TestChain(t *testing.T) {
	const pkgs, srcs = "main/binary-amd64/Packages.gz", "main/source/Sources.gz"
	tests := []struct {
		name   string
		change func(t *testing.T, a *archive, f *fixture)
		want   string // part of the fault; "" if all is well
	}{
		{"untouched", func(t *testing.T, a *archive, f *fixture) {}, ""},
		{"another version", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Targets[0].Packages[0].Version = "12.5"
		}, "base-files_12.4_amd64.deb is"},
		{"another name", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Targets[0].Packages[0].Name = "base"
		}, "base-files_12.4_amd64.deb is"},
		{"another architecture", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Targets[0].Packages[0].Architecture = "i386"
		}, "base-files_12.4_amd64.deb is"},
		{"another path", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Targets[0].Packages[0].Path = "pool/x.deb"
		}, "no index lists pool/x.deb"},
		{"other bytes", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Targets[0].Packages[0].Blob = f.blobs.add([]byte("evil"))
		}, "the lock says base-files 12.4 amd64, 4 bytes"},
		{"a second target with another version of one path", func(t *testing.T, a *archive, f *fixture) {
			other := f.lock.Targets[0]
			other.Suite = "other"
			other.Packages = append([]manifest.PackagePin(nil), other.Packages...)
			other.Packages[1].Version = "6"
			f.lock.Targets = append(f.lock.Targets, other)
		}, "as bash 6 amd64"},
		{"another source file", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Descriptors[0].Files[0].Blob = f.blobs.add([]byte("evil"))
		}, "hello_2.10.orig.tar.gz has sha256"},
		{"a source package without the file", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Descriptors[0].Files[0].SourcePackage = "goodbye"
		}, "no index of sources lists goodbye"},
		{"index that the Release does not list", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Archives[0].Indexes[0].Blob = f.blobs.add(gz(append(a.packages(), '\n')))
		}, "its Release does not list main/binary-amd64/Packages.gz"},
		{"index under another path", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Archives[0].Indexes[0].Path = "main/binary-all/Packages.gz"
		}, "its Release does not list main/binary-all"},
		{"index that does not decode", func(t *testing.T, a *archive, f *fixture) {
			f.publish(t, a, map[string][]byte{pkgs: gz(a.packages())[:40], srcs: gz(a.sources())}, "")
		}, "decompressing main/binary-amd64/Packages.gz"},
		{"index longer than the Release says", func(t *testing.T, a *archive, f *fixture) {
			bomb := gz(append(a.packages(), bytes.Repeat([]byte("\n"), 1<<20)...))
			extra := " " + manifest.Sum(a.packages()).Hex() + " 900 main/binary-amd64/Packages\n"
			f.publish(t, a, map[string][]byte{pkgs: bomb, srcs: gz(a.sources())}, extra)
		}, "more than 900 bytes"},
		{"one path twice in the index", func(t *testing.T, a *archive, f *fixture) {
			evil := a.debs[0]
			evil.content = "evil"
			a.debs = append(a.debs, evil)
			f.publish(t, a, map[string][]byte{pkgs: gz(a.packages()), srcs: gz(a.sources())}, "")
		}, "base-files_12.4_amd64.deb is"},
		{"no stanza", func(t *testing.T, a *archive, f *fixture) {
			f.publish(t, a, map[string][]byte{pkgs: gz([]byte("hello")), srcs: gz(a.sources())}, "")
		}, "Packages.gz:1"},
		{"signed by another key", func(t *testing.T, a *archive, f *fixture) {
			files := map[string][]byte{pkgs: gz(a.packages()), srcs: gz(a.sources())}
			f.publish(t, newArchive(t), files, "")
		}, aptmirror.ErrUnknownSigner.Error()},
		{"lock names another signer", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Archives[0].SignedBy = []string{strings.Repeat("A", 40)}
		}, "the lock says AAAA"},
		{"lock names one signer more", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Archives[0].SignedBy = append([]string{strings.Repeat("0", 40)}, f.lock.Archives[0].SignedBy...)
		}, "the lock says 0000"},
		{"lock names another date", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Archives[0].Date = "2024-05-04T03:02:02Z"
		}, "its Release is of 2024-05-04T03:02:01Z"},
		{"Release changed", func(t *testing.T, a *archive, f *fixture) {
			pin := &f.lock.Archives[0].Release[0]
			pin.Blob = f.blobs.add(bytes.Replace(f.blobs[pin.SHA256], []byte("Origin: Test"), []byte("Origin: Tost"), 1))
		}, aptmirror.ErrBadSignature.Error()},
		{"Release not signed", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Archives[0].Release[0].Blob = f.blobs.add(a.release(nil))
		}, "verifying InRelease"},
		{"no keyring", func(t *testing.T, a *archive, f *fixture) {
			f.lock.Archives[0].Keyring = f.blobs.add([]byte("no keys"))
		}, "reading keyring"},
		{"expired Release", func(t *testing.T, a *archive, f *fixture) {
			files := map[string][]byte{pkgs: gz(a.packages()), srcs: gz(a.sources())}
			text := bytes.Replace(a.release(files), []byte("SHA256:"), []byte("Valid-Until: Sat, 11 May 2024 03:02:01 UTC\nSHA256:"), 1)
			f.lock.Archives[0].Release[0].Blob = f.blobs.add(a.inRelease(t, text))
		}, ""},
		{"Release and Release.gpg", detached(""), ""},
		{"Release changed under its Release.gpg", detached("\n"), aptmirror.ErrBadSignature.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			f := a.fixture(t)
			tt.change(t, a, f)
			data := f.write(t)
			check := func(how string, v *Verified, report *Report, err error) {
				t.Helper()
				if tt.want == "" {
					if err != nil || v == nil {
						t.Fatalf("%s: %v", how, err)
					}
					r := report.Archives
					if len(r) != 1 || r[0].Packages != 4 || r[0].Files != 1 || len(r[0].SignedBy) != 1 || !r[0].Date.Equal(a.date) {
						t.Errorf("%s: got %+v, want 4 packages and 1 file", how, r)
					}
					return
				}
				var e *ArchiveError
				if v != nil || !errors.As(err, &e) || !errors.Is(err, ErrArchive) || !strings.Contains(strings.Join(e.Faults, "\n"), tt.want) {
					t.Errorf("%s: got %v, want %q", how, err, tt.want)
				}
				if len(report.Unconfirmed) == 0 {
					t.Errorf("%s: the report does not tell", how)
				}
			}
			v, report, err := open(t, data).Verify(t.Context(), Policy{Unsigned: true, ArchiveKeys: nil}, nil)
			check("file", v, report, err)
			v, report, err = VerifyStream(t.Context(), bytes.NewReader(data), Policy{Unsigned: true}, memory{}, nil)
			check("pipe", v, report, err)
		})
	}
}

// detached splits the InRelease into Release and Release.gpg.
func detached(more string) func(t *testing.T, a *archive, f *fixture) {
	return func(t *testing.T, a *archive, f *fixture) {
		text := a.release(map[string][]byte{"main/binary-amd64/Packages.gz": gz(a.packages()), "main/source/Sources.gz": gz(a.sources())})
		sig := archivetest.DetachSign(t, text, a.date.Add(3*time.Hour), a.key) // by hand, hours later
		f.lock.Archives[0].Release = []manifest.ArchiveFile{
			{Path: "Release", Blob: f.blobs.add(append(text, more...))},
			{Path: "Release.gpg", Blob: f.blobs.add(sig)},
		}
	}
}

func TestArchiveKeys(t *testing.T) {
	a := newArchive(t)
	f := open(t, a.fixture(t).write(t))
	if _, _, err := f.Verify(t.Context(), Policy{Unsigned: true, ArchiveKeys: keyringOf(t, a)}, nil); err != nil {
		t.Errorf("with the archive's key: %v", err)
	}
	if _, _, err := f.Verify(t.Context(), Policy{Unsigned: true, ArchiveKeys: keyringOf(t, newArchive(t))}, nil); !errors.Is(err, ErrArchive) {
		t.Errorf("with another key: got %v, want ErrArchive", err)
	}
}
