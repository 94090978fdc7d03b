package manifest

import (
	"slices"
	"strings"
	"testing"
)

// TestLockValidate spoils one value of a sound lock, and wants that very value
// named.
func TestLockValidate(t *testing.T) {
	for _, tt := range []struct {
		want  string
		spoil func(*Lock)
	}{
		{`descriptors[0].sha256: it is missing`, func(l *Lock) { l.Descriptors[0].SHA256 = Digest{} }},
		{`descriptors[0].name: "a/b"`, func(l *Lock) { l.Descriptors[0].Name = "a/b" }},
		{`descriptors[1]: "hello" is listed twice`, func(l *Lock) { l.Descriptors = append(l.Descriptors, l.Descriptors[0]) }},
		{`descriptors[0].sources[1]: "tool" is listed twice`, func(l *Lock) {
			l.Descriptors[0].Sources = append(l.Descriptors[0].Sources, l.Descriptors[0].Sources[0])
		}},
		{`descriptors[0].sources[0].dir: ".."`, func(l *Lock) { l.Descriptors[0].Sources[0].Dir = ".." }},
		{`descriptors[0].sources[0].tag: "v1"`, func(l *Lock) { l.Descriptors[0].Sources[0].Tag = "v1" }},
		{`descriptors[0].sources[0].date: ""`, func(l *Lock) { l.Descriptors[0].Sources[0].Date = "" }},
		{`descriptors[0].sources[0].pack.sha256: it is missing`, func(l *Lock) { l.Descriptors[0].Sources[0].Pack.SHA256 = Digest{} }},
		{`submodules[0].name: "../../hooks"`, func(l *Lock) { l.Descriptors[0].Sources[0].Submodules[0].Name = "../../hooks" }},
		{`submodules[0].url: "ext::sh"`, func(l *Lock) { l.Descriptors[0].Sources[0].Submodules[0].URL = "ext::sh" }},
		{`submodules[0].commit: "HEAD"`, func(l *Lock) { l.Descriptors[0].Sources[0].Submodules[0].Commit = "HEAD" }},
		{`submodules[0].pack.size: -5`, func(l *Lock) { l.Descriptors[0].Sources[0].Submodules[0].Pack.Size = -5 }},
		{`submodules[1]: "lib/a" is listed twice`, func(l *Lock) {
			s := &l.Descriptors[0].Sources[0]
			s.Submodules = append(s.Submodules, s.Submodules[0])
		}},
		{`files[0].name: "a/b"`, func(l *Lock) { l.Descriptors[0].Files[0].Name = "a/b" }},
		{`files[1].sha256: it is missing`, func(l *Lock) { l.Descriptors[0].Files[1].SHA256 = Digest{} }},
		{`files[0]: url and source-package exclude each other`, func(l *Lock) { l.Descriptors[0].Files[0].URL = "https://example.org/" }},
		{`files[0].source-package: "Hello"`, func(l *Lock) { l.Descriptors[0].Files[0].SourcePackage = "Hello" }},
		{`files[0].path: "/etc/passwd"`, func(l *Lock) { l.Descriptors[0].Files[0].Path = "/etc/passwd" }},
		{`archives[0].name: "-x"`, func(l *Lock) { l.Archives[0].Name = "-x" }},
		{`archives[0].suite: "../x"`, func(l *Lock) { l.Archives[0].Suite = "../x" }},
		{`archives[0].components: there is none`, func(l *Lock) { l.Archives[0].Components = nil }},
		{`archives[0].components[0]: "../x"`, func(l *Lock) { l.Archives[0].Components[0] = "../x" }},
		{`archives[0].signed-by: there is none`, func(l *Lock) { l.Archives[0].SignedBy = nil }},
		{`archives[0].keyring.sha256: it is missing`, func(l *Lock) { l.Archives[0].Keyring = Blob{} }},
		{`archives[0].release[0].sha256: it is missing`, func(l *Lock) { l.Archives[0].Release[0].SHA256 = Digest{} }},
		{`archives[0].indexes: there is none`, func(l *Lock) { l.Archives[0].Indexes = nil }},
		{`archives[0].indexes[1].path: "main/../x"`, func(l *Lock) { l.Archives[0].Indexes[1].Path = "main/../x" }},
		{`archives[0].indexes[1].size: -1`, func(l *Lock) { l.Archives[0].Indexes[1].Size = -1 }},
		{`archives[0].indexes[1]: "main/binary-amd64/Packages.xz" must come before`, func(l *Lock) { slices.Reverse(l.Archives[0].Indexes) }},
		{`targets[0].distro: ""`, func(l *Lock) { l.Targets[0].Distro = "" }},
		{`targets[0].suite: "a/b"`, func(l *Lock) { l.Targets[0].Suite = "a/b" }},
		{`targets[0].packages: there is none`, func(l *Lock) { l.Targets[0].Packages = nil }},
		{`targets[0].installed: without an image`, func(l *Lock) { l.Targets[0].Installed = l.Targets[1].Installed }},
		{`targets[0].packages[2].archive: "debian/sid" is not among`, func(l *Lock) { l.Targets[0].Packages[2].Archive = "debian/sid" }},
		{`targets[0].packages[1].sha256: it is missing`, func(l *Lock) { l.Targets[0].Packages[1].SHA256 = Digest{} }},
		{`targets[0].packages[1].why: "dependency of "`, func(l *Lock) { l.Targets[0].Packages[1].Why = "dependency of " }},
		{`targets[1].installed[1]: "gzip i386" must come before`, func(l *Lock) { slices.Reverse(l.Targets[1].Installed) }},
		{`targets[1].installed[0].version: "1 2"`, func(l *Lock) { l.Targets[1].Installed[0].Version = "1 2" }},
		{`targets[1].installed[0].sha256: it is empty`, func(l *Lock) { l.Targets[1].Installed[0].SHA256 = new(Digest) }},
		{`targets[1].image: kind oci needs`, func(l *Lock) { l.Targets[1].Image.Layers = nil }},
		{`targets[1].image.merged-usr: it stands only`, func(l *Lock) { l.Targets[1].Image.MergedUsr = true }},
		{`targets[1].image.manifest.media-type: "a b/c"`, func(l *Lock) { l.Targets[1].Image.Manifest.MediaType = "a b/c" }},
		{`targets[1].image.config.sha256: it is missing`, func(l *Lock) { l.Targets[1].Image.Config.SHA256 = Digest{} }},
		{`targets[1].image.layers[0].sha256: it is missing`, func(l *Lock) { l.Targets[1].Image.Layers[0].SHA256 = Digest{} }},
		{`descriptors[1]: no target builds "z"`, func(l *Lock) {
			l.Descriptors = append(l.Descriptors, l.Descriptors[0])
			l.Descriptors[1].Name = "z"
		}},
		{`targets: there is none`, func(l *Lock) { l.Targets = nil }},
		{`targets[1]: targets of "a" must come before those of "hello"`, func(l *Lock) {
			l.Descriptors = append([]DescriptorPin{l.Descriptors[0]}, l.Descriptors...)
			l.Descriptors[0].Name, l.Targets[1].Descriptor = "a", "a"
		}},
		{`satchel-lock: version 0 is not known`, func(l *Lock) { *l = Lock{} }},
	} {
		l := sampleLock()
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		tt.spoil(l)
		err := l.Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
