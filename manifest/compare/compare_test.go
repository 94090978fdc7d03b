package compare

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"satchel/manifest"
)

// sum makes a sum of a name from any text.
func sum(path, content string) manifest.FileSum {
	return manifest.FileSum{SHA256: manifest.Sum([]byte(content)), Path: path}
}

// builder makes a statement: outputs "path=content", packages "name=version".
func builder(signer, outputs, packages string, change ...func(*Statement)) Statement {
	r := &manifest.Result{Name: "p", In: manifest.Inputs{Descriptor: sum("p-desc.yml", "descriptor"), Git: []manifest.GitCommit{{Commit: strings.Repeat("a", 40), Dir: "src"}}}}
	for _, o := range strings.Fields(outputs) {
		path, content, _ := strings.Cut(o, "=")
		r.Out = append(r.Out, sum(path, content))
	}
	base := manifest.BaseManifest{Target: "bionic-amd64"}
	for _, p := range strings.Fields(packages) {
		name, version, _ := strings.Cut(p, "=")
		base.Sums = append(base.Sums, sum(manifest.DebName(name, version, "amd64"), p))
	}
	r.Base = []manifest.BaseManifest{base}
	s := Statement{Signer: signer, File: signer + "/p-build.assert", Result: r, Signature: Signature{Status: Good, Key: "key of " + signer}}
	for _, f := range change {
		f(&s)
	}
	return s
}

func status(st Status) func(*Statement) { return func(s *Statement) { s.Signature.Status = st } }
func descriptor(d string) func(*Statement) {
	return func(s *Statement) { s.Result.In.Descriptor = sum("p-desc.yml", d) }
}
func key(k string) func(*Statement) { return func(s *Statement) { s.Signature.Key = k } }

func run(all ...Statement) *Report { return Compare("1.0-linux", "p", all, strings.Compare) }

func TestAnswers(t *testing.T) {
	const out, other, packages = "a=1 b=2", "a=1 b=3", "gcc-7=7.5 libc6=2.27 zlib1g=1.2"
	environment := func(content string) func(*Statement) {
		return func(s *Statement) {
			s.Environments = map[string]manifest.Digest{"bionic-amd64": manifest.Sum([]byte(content))}
		}
	}
	sums := func(s *Statement) { s.Result.In, s.Result.Base = manifest.Inputs{}, nil }
	optional := func(s *Statement) { s.Result.Optionals = []string{"b"} }
	unread := func(s *Statement) { s.Result, s.Problem = nil, "it is a web page" }
	for _, tt := range []struct {
		name   string
		all    []Statement
		answer Answer
		cause  Cause
		text   string
	}{
		{"agree", []Statement{builder("x", out, packages), builder("y", out, "gcc-7=9")}, Agree, "", "all 2 agree"},
		{"order and doubles", []Statement{builder("x", out, packages), builder("y", "b=2 a=1 a=1", packages)}, Agree, "", "all 2 agree"},
		{"nobody", nil, Alone, "", "there is nothing to compare"},
		{"alone", []Statement{builder("x", out, packages)}, Alone, "", "x alone has built it: there is nothing to compare with"},
		{"packages", []Statement{builder("x", out, packages), builder("y", out, packages), builder("z", other, "gcc-7=7.6 libc6=2.27 zlib1g=1.2")}, Differ, OtherPackages, "2 of 3 agree; z has other outputs"},
		{"missing output", []Statement{builder("x", out, packages), builder("y", "a=1", packages)}, Differ, TheBuild, "no two of 2 agree"},
		{"optional output", []Statement{builder("x", out, packages, optional), builder("y", "a=1", packages)}, Agree, "", "all 2 agree"},
		{"optional output, another", []Statement{builder("x", out, packages, optional), builder("y", other, packages)}, Differ, TheBuild, "no two of 2 agree"},
		{"environment", []Statement{builder("x", out, packages, environment("1")), builder("y", other, packages, environment("2"))}, Differ, OtherEnvironment, "no two of 2 agree"},
		{"the build", []Statement{builder("x", out, packages, environment("1")), builder("y", other, packages, environment("1"))}, Differ, TheBuild, "no two of 2 agree"},
		{"no packages", []Statement{builder("x", out, ""), builder("y", other, "")}, Differ, TheBuild, "no two of 2 agree"},
		{"descriptor", []Statement{builder("x", out, packages), builder("y", other, packages, descriptor("new"))}, Incomparable, OtherInputs, "not comparable: each was built from other sources or another descriptor"},
		{"one of other sources", []Statement{builder("x", out, packages), builder("w", out, packages), builder("y", other, packages, descriptor("new"))}, Incomparable, OtherInputs, "2 of 3 agree; y built something else"},
		{"both kinds", []Statement{builder("x", out, packages), builder("w", out, packages), builder("y", other, packages, descriptor("new")), builder("z", "a=5 b=5", packages)}, Differ, OtherInputs, "2 of 4 agree; y; z have other outputs"},
		{"other inputs, same outputs", []Statement{builder("x", out, packages), builder("w", out, packages), builder("y", out, packages, descriptor("new"))}, Agree, "", "all 3 agree, though y took other inputs"},
		{"lists of sums", []Statement{builder("x", out, packages, sums), builder("y", out, packages)}, Agree, "", "all 2 agree"},
		{"lists of sums, other", []Statement{builder("x", out, packages, sums), builder("y", other, packages)}, Differ, UnknownCause, "no two of 2 agree"},
		{"bad signature", []Statement{builder("x", out, packages), builder("y", out, packages), builder("z", other, packages, status(Bad))}, Agree, "", "all 2 agree; 1 not compared"},
		{"unread", []Statement{builder("x", out, packages), builder("y", out, packages), builder("z", other, packages, unread)}, Agree, "", "all 2 agree; 1 not compared"},
	} {
		r := run(tt.all...)
		var cause Cause
		if len(r.Camps) > 1 {
			cause = r.Camps[1].Why.Cause
		}
		if r.Answer != tt.answer || r.Text != tt.text || cause != tt.cause {
			t.Errorf("%s: got %s, cause %q, %q, want %s, %q, %q", tt.name, r.Answer, cause, r.Text, tt.answer, tt.cause, tt.text)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestLikeliest: what only the differing builders have comes in the order of
// likelihood, and what the others disagree about comes behind.
func TestLikeliest(t *testing.T) {
	const base = "bash=5 binutils=2.30 gcc-7=7.5 libc6=2.27 libfoo=1 make=4.1 tar=1.29 tzdata=1"
	other := strings.NewReplacer("=", "=2.").Replace(base) + " clang=6 libonly=1"
	r := run(builder("a", "o=1", base+" gone=1"), builder("b", "o=1", base+" gone=1 libold=2"), builder("c", "o=1", strings.Replace(base, "tzdata=1", "tzdata=3", 1)+" gone=1"), builder("z", "o=2", other))
	var got []string
	for _, p := range r.Camps[1].Why.Packages {
		got = append(got, fmt.Sprintf("%s/%s/%v", p.Class, p.Name, p.Steady))
	}
	want := []string{"compiler/gcc-7/true", "compiler/clang/true", "linker/binutils/true", "libc/libc6/true", "archiver/tar/true", "build tool/make/true", "interpreter/bash/true",
		"other/gone/true", "other/libfoo/true", "other/libonly/true", "other/tzdata/false"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	p := r.Camps[1].Why.Packages[0]
	if !reflect.DeepEqual(p.Ours, []Version{{"7.5", manifest.Sum([]byte("gcc-7=7.5")).Hex(), 3}}) || len(p.Theirs) != 1 || p.Theirs[0].Version != "2.7.5" {
		t.Errorf("got %+v", p)
	}
	if gone := r.Camps[1].Why.Packages[7]; len(gone.Theirs) != 0 || len(gone.Ours) != 1 {
		t.Errorf("a package that they lack: got %+v", gone)
	}
}

// TestShared: a package that somebody of the first camp has in the same version
// is not the cause, and of several versions that lay in a cache the newest counts.
func TestShared(t *testing.T) {
	r := run(builder("a", "o=1", "gcc=1 tar=1"), builder("b", "o=1", "gcc=2 tar=1"), builder("z", "o=2", "gcc=2 tar=1"))
	if w := r.Camps[1].Why; w.Cause != TheBuild || w.Packages != nil {
		t.Errorf("got %+v", w)
	}
	r = run(builder("a", "o=1", "gcc=1 gcc=2 tar=1 x=1"), builder("b", "o=1", "gcc=2 tar=1 x=1"), builder("z", "o=2", "gcc=2 gcc=1 tar=1 x=2"))
	if w := r.Camps[1].Why; len(w.Packages) != 1 || w.Packages[0].Name != "x" {
		t.Errorf("got %+v", w)
	}
	r = run(builder("a", "o=1", "gcc=1 gcc=2"), builder("b", "o=1", "gcc=1 gcc=2"), builder("z", "o=2", "gcc=1"))
	if w := r.Camps[1].Why; len(w.Packages) != 1 || w.Packages[0].Theirs[0].Version != "1" {
		t.Errorf("an older version that the others merely had lying about: got %+v", w)
	}
}

// TestCampOfSeveral: only what all of a camp have is its cause.
func TestCampOfSeveral(t *testing.T) {
	r := run(builder("a", "o=1", "gcc=1 tar=1"), builder("b", "o=1", "gcc=1 tar=1"), builder("c", "o=1", "gcc=1 tar=1"),
		builder("y", "o=2", "gcc=2 tar=1 odd=1"), builder("z", "o=2", "gcc=2 tar=1"))
	if w := r.Camps[1].Why; len(w.Packages) != 1 || w.Packages[0].Name != "gcc" || w.Packages[0].Theirs[0].Count != 2 {
		t.Errorf("got %+v", w.Packages)
	}
}

// TestUnlisted: who lists no packages of a target, or no environment, proves
// nothing about it.
func TestUnlisted(t *testing.T) {
	second := func(s *Statement) {
		s.Result.Base = append(s.Result.Base, manifest.BaseManifest{Target: "focal-amd64", Sums: []manifest.FileSum{sum("gcc_9_amd64.deb", "9")}})
	}
	environment := func(s *Statement) {
		s.Environments = map[string]manifest.Digest{"bionic-amd64": manifest.Sum([]byte("x"))}
	}
	r := run(builder("a", "o=1", "gcc=1"), builder("b", "o=1", "gcc=1"), builder("z", "o=2", "gcc=1", second, environment))
	if w := r.Camps[1].Why; w.Cause != TheBuild {
		t.Errorf("got %+v", w)
	}
}

// TestInputOrder: sources and files in another order are the same inputs.
func TestInputOrder(t *testing.T) {
	files := func(names ...string) func(*Statement) {
		return func(s *Statement) {
			for _, n := range names {
				s.Result.In.Files = append(s.Result.In.Files, sum(n, n))
			}
		}
	}
	r := run(builder("a", "o=1", "gcc=1", files("x", "y")), builder("z", "o=2", "gcc=2", files("y", "x")))
	if len(r.Inputs) != 1 || r.Camps[1].Why.Cause != OtherPackages {
		t.Errorf("got %+v", r.Inputs)
	}
}

// TestInputDifferences names what was taken differently.
func TestInputDifferences(t *testing.T) {
	change := func(s *Statement) {
		s.Result.In.Descriptor = sum("p-desc.yml", "new")
		s.Result.In.Git = []manifest.GitCommit{{Commit: strings.Repeat("b", 40), Dir: "src"}}
		s.Result.In.Files = []manifest.FileSum{sum("sdk.tar", "1")}
	}
	r := run(builder("x", "a=1", ""), builder("y", "a=2", "", change))
	var got []string
	for _, d := range r.Camps[1].Why.Inputs {
		got = append(got, d.Kind+" "+d.Name)
	}
	if want := []string{"descriptor p-desc.yml", "source src", "file sdk.tar"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if d := r.Camps[1].Why.Inputs[2]; d.Ours != "" || d.Theirs == "" {
		t.Errorf("got %+v", d)
	}
	if len(r.Inputs) != 2 || len(r.Inputs[1].Differs) != 3 {
		t.Errorf("got %+v", r.Inputs)
	}
}

// TestVouching: keys count once, owners count once, and only good signatures.
func TestVouching(t *testing.T) {
	owner := func(s *Statement) { s.Signature.Owner = "alice" }
	r := run(builder("a", "o=1", "", key("k")), builder("b", "o=1", "", key("k")), builder("c", "o=1", "", owner), builder("d", "o=1", "", owner),
		builder("e", "o=1", "", status(Old)), builder("f", "o=1", "", status(Weak)), builder("g", "o=1", "", status(UnknownKey)), builder("h", "o=1", "", status(Misplaced)))
	if r.Vouching != 3 {
		t.Errorf("got %d, want 3: one key, one owner, one old", r.Vouching)
	}
	// A crowd of strangers does not become the camp to compare with.
	var all []Statement
	for i := range 20 {
		all = append(all, builder(fmt.Sprint("stranger", i), "o=2", "", status(UnknownKey)))
	}
	r = run(append(all, builder("known", "o=1", ""))...)
	if r.Camps[0].Signers[0] != "known" || r.Vouching != 1 {
		t.Errorf("got %+v", r.Camps[0])
	}
}

// TestCase: two names that one folder of another system would hold.
func TestCase(t *testing.T) {
	r := run(builder("Alice", "o=1", ""), builder("alice", "o=1", ""))
	if r.Builders[0].Problem != "" || !strings.Contains(r.Builders[1].Problem, `"Alice"`) {
		t.Errorf("got %+v", r.Builders)
	}
}

// TestOrder: the order of statements changes nothing.
func TestOrder(t *testing.T) {
	all := []Statement{builder("a", "o=1 p=1", "gcc=1 tar=1"), builder("b", "o=1 p=1", "gcc=2 tar=1"), builder("c", "o=2 p=1", "gcc=3 tar=1"), builder("d", "o=2 p=2", "gcc=4", descriptor("x")),
		builder("e", "o=3", "gcc=1", status(Bad)), builder("f", "o=1 p=1", "gcc=2 tar=1", status(UnknownKey))}
	want := run(all...)
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if got := run(all...); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	}
}

func TestLetter(t *testing.T) {
	for i, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 27: "AB", 51: "AZ", 52: "BA", 701: "ZZ", 702: "AAA"} {
		if got := letter(i); got != want {
			t.Errorf("letter(%d) is %q, want %q", i, got, want)
		}
	}
}
