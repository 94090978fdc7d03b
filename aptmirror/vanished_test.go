package aptmirror

import (
	"slices"
	"testing"
)

// TestPoolPath: where a package was that no index lists any more.
func TestPoolPath(t *testing.T) {
	for _, tt := range []struct{ name, version, arch, beside, component, want string }{
		{"gcc-7", "7.4.0-1", "amd64", "", "main", "pool/main/g/gcc-7/gcc-7_7.4.0-1_amd64.deb"},
		{"libc6", "2.27", "i386", "", "main", "pool/main/libc/libc6/libc6_2.27_i386.deb"},
		{"lib", "1", "all", "", "universe", "pool/universe/l/lib/lib_1_all.deb"},
		{"libx", "1", "all", "", "universe", "pool/universe/libx/libx/libx_1_all.deb"},
		{"a0", "1", "all", "", "main", "pool/main/a/a0/a0_1_all.deb"},
		{"tzdata", "1:2019", "all", "", "main", "pool/main/t/tzdata/tzdata_2019_all.deb"}, // pools leave the epoch out
		{"libc6", "2.27", "amd64", "pool/main/g/glibc/libc6_2.31_amd64.deb", "universe", "pool/main/g/glibc/libc6_2.27_amd64.deb"},
		{"libc6", "2:2.27", "amd64", "pool/main/g/glibc/libc6_2.31_amd64.deb", "", "pool/main/g/glibc/libc6_2.27_amd64.deb"},
		{"a0", "1", "all", "flat.deb", "main", "pool/main/a/a0/a0_1_all.deb"}, // no folder to be beside in
	} {
		if got := PoolPath(tt.name, tt.version, tt.arch, tt.beside, tt.component); got != tt.want {
			t.Errorf("%s %s beside %q: got %s, want %s", tt.name, tt.version, tt.beside, got, tt.want)
		}
	}
}

// TestFiles: services that know every package by its file's name.
func TestFiles(t *testing.T) {
	m := Mirrors{Given: map[string][]string{"ubuntu": {"http://a.example/ubuntu", "http://b.example/@FILE@?x=@FILE@"}}}
	got := m.Files("ubuntu", "g++", "1:4~1+b2", "amd64")
	const file = "g%2B%2B_4%7E1%2Bb2_amd64.deb"
	want := []string{"http://b.example/" + file + "?x=" + file, "https://launchpad.net/ubuntu/+archive/primary/+files/" + file}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	m.GivenOnly = true
	if got := m.Files("ubuntu", "g++", "1:4~1+b2", "amd64"); !slices.Equal(got, want[:1]) {
		t.Errorf("got %q, want %q", got, want[:1])
	}
	if got := m.Files("debian", "x", "1", "all"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
