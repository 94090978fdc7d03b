package manifest

import (
	"strings"
	"testing"
)

func TestBase(t *testing.T) {
	for _, c := range []struct{ name, packages, want string }{
		{"nothing", "", ""},
		{"by reason", "a=essential b=base c=upgrade d=asked_for e=assert f=dependency", "a b c"},
		{"what they need", "a=dependency_of_b b=dependency_of_c c=base d=dependency_of_e e=asked_for", "a b c"},
		{"of its own architecture alone", "lib=base lib:i386=asked_for x=dependency_of_lib:i386 y=dependency_of_lib", "lib y"},
		{"of another", "lib=asked_for lib:i386=base x=dependency_of_lib:i386 y=dependency_of_lib", "lib:i386 x"},
		{"a package of all architectures", "doc:all=base x=dependency_of_doc", "doc:all x"},
		{"a circle", "a=dependency_of_b b=dependency_of_a c=base", "c"},
	} {
		target := Target{Architecture: "linux64"}
		for p := range strings.FieldsSeq(c.packages) {
			name, why, _ := strings.Cut(p, "=")
			name, arch, ok := strings.Cut(name, ":")
			if !ok {
				arch = "amd64"
			}
			target.Packages = append(target.Packages, PackagePin{Name: name, Architecture: arch, Why: strings.ReplaceAll(why, "_", " ")})
		}
		var got []string
		for i, in := range target.Base() {
			if k := target.Packages[i]; in && k.Architecture == "amd64" {
				got = append(got, k.Name)
			} else if in {
				got = append(got, k.Name+":"+k.Architecture)
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: got %q, want %q", c.name, g, c.want)
		}
	}
}
