package compare

import "strings"

// class is a kind of package; the lower its rank, the likelier it changes what a
// build puts out.
type class struct {
	name  string
	rank  int
	place int // within the class, by its patterns
}

// classes are matched from the first on: by a whole name, or with a star at its
// end by a beginning, at its beginning by an end, at both by a part.
var classes = []struct {
	name     string
	patterns []string
}{
	{"compiler", []string{"gcc", "gcc-*", "g++*", "cpp", "cpp-*", "gobjc*", "gfortran*", "gnat*", "gdc*", "clang*", "llvm*", "libllvm*", "libclang*", "rustc*", "cargo*", "libstd-rust*", "golang*", "ghc*",
		"openjdk*", "default-jdk*", "javac*", "nasm", "yasm", "libgcc*", "libstdc++*", "libcc1*", "libisl*", "libmpfr*", "libmpc3*", "libgmp10*", "*-mingw-w64*", "mingw*", "gcj*"}},
	{"linker", []string{"binutils*", "libbinutils*", "lld*", "liblld*", "gold*", "libctf*"}},
	{"libc", []string{"libc6", "libc6-dev", "libc6-dev-*", "libc6-*", "libc6*", "libc-dev-bin", "libc-*", "libc-dev*", "libc0*", "linux-libc-dev*", "musl*", "multiarch-support", "locales*", "libc-bin", "eglibc*", "glibc*"}},
	{"archiver", []string{"tar", "zip", "unzip", "gzip", "bzip2", "libbz2-*", "xz-utils", "liblzma*", "lzma*", "zstd", "p7zip*", "cpio", "genisoimage", "xorriso", "mkisofs", "libdmg*", "nsis*", "ar",
		"dpkg*", "libdpkg*", "squashfs-tools", "zlib1g*", "advancecomp"}},
	{"build tool", []string{"make", "make-*", "cmake*", "automake*", "autoconf*", "autotools-dev", "libtool*", "pkg-config", "pkgconf*", "bison*", "flex*", "m4", "ninja-build", "meson", "bsdmainutils", "gettext*", "patch",
		"faketime", "libfaketime*", "ccache", "distcc", "scons", "debhelper", "quilt", "gperf", "texinfo", "imagemagick*", "librsvg*", "libpng*", "libtiff*", "help2man", "git", "git-*", "fontconfig*", "strip-nondeterminism"}},
	{"interpreter", []string{"perl*", "libperl*", "python*", "libpython*", "ruby*", "libruby*", "bash", "dash", "gawk", "mawk", "sed", "grep", "tcl*", "lua*", "nodejs*", "coreutils", "findutils", "diffutils", "php*"}},
	{"library", []string{"*-dev", "qt*", "libqt*", "libboost*", "libssl*", "openssl"}},
}

// classOf says what kind of package has the name.
func classOf(name string) class {
	for i, c := range classes {
		for k, p := range c.patterns {
			if matches(p, name) {
				return class{c.name, i, k}
			}
		}
	}
	return class{"other", len(classes), 0}
}

func matches(pattern, name string) bool {
	part, front := strings.CutPrefix(pattern, "*")
	part, back := strings.CutSuffix(part, "*")
	switch {
	case front && back:
		return strings.Contains(name, part)
	case front:
		return strings.HasSuffix(name, part)
	case back:
		return strings.HasPrefix(name, part)
	}
	return name == part
}
