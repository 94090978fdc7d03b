package aptmirror

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pault.ag/go/debian/version"
)

func TestCompareVersions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"1.0", "1.0", 0},
		{"1.0", "0:1.0", 0},
		{"1.0", "1.0-0", 0},
		{"1.0", "1.00", 0},
		{"1.0", "1.0-", 0},
		{"1.2", "1.10", -1},
		{"1.0~rc1", "1.0", -1},
		{"1.0~~", "1.0~", -1},
		{"1.0~~a", "1.0~", -1},
		{"1.0-1", "1.0-1+b1", -1},
		{"1.0-1", "1.0-1~bpo", 1},
		{"1:0", "999", 1},
		{"1.0a", "1.0+", -1},
		{"1.0a", "1.0.", -1},
		{"1.0", "1.0a", -1},
		{"1.0-1-1", "1.0-1", 1},
		{"99999999999999999999999", "100000000000000000000000", -1},
		{"0000000000000000000000000001", "1", 0},
		{"2147483647:1", "1:1", 1},
		{"", "0", 0},
		{"", "~", 1},
		{"a:1", "1", 1}, // not an epoch
	} {
		if got := sign(CompareVersions(c.a, c.b)); got != c.want {
			t.Errorf("CompareVersions(%q, %q): got %d, want %d", c.a, c.b, got, c.want)
		}
		if got := sign(CompareVersions(c.b, c.a)); got != -c.want {
			t.Errorf("CompareVersions(%q, %q): got %d, want %d", c.b, c.a, got, -c.want)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	for _, good := range []string{"1", "0", "1:2-3", "1:2:3-4", "2.0~rc1+dfsg-1~deb12u1+b3", "2147483647:0", "a1", "1.0-1-1"} {
		if err := CheckVersion(good); err != nil {
			t.Errorf("CheckVersion(%q): %v", good, err)
		}
	}
	for _, bad := range []string{
		"", ":1", "a:1", "-1:1", "1:", "1-", "1:-1", "1 2", "1/2", "../1", "1\n", "1\x00", "1ü", "2147483648:1",
		"99999999999999999999:1", "~1", "-1", "1:2-3:4", "1_2", strings.Repeat("1", 257), "1\x1b[2J",
	} {
		err := CheckVersion(bad)
		if err == nil {
			t.Errorf("CheckVersion(%q): no error", bad)
			continue
		}
		if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("CheckVersion(%q): the error has a control character: %q", bad, err)
		}
	}
}

func TestCompareVersionsAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { CompareVersions("1:2.30~rc1-4+b2", "1:2.30~rc1-4+b10") }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// TestVersionsAgainstDpkg asks dpkg about neighbours in our order: 2,000 pairs,
// or 100,000 with SATCHEL_FULL=1.
func TestVersionsAgainstDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		need(t, "dpkg")
	}
	versions := machineVersions(t)
	pairs := 2000
	if os.Getenv("SATCHEL_FULL") == "1" {
		pairs = 100_000
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var in bytes.Buffer
	for n := range pairs {
		i := n
		if pairs < len(versions) {
			i = rnd.IntN(len(versions) - 1)
		}
		a, b := versions[i%(len(versions)-1)], versions[i%(len(versions)-1)+1]
		if n >= len(versions) { // every neighbour is done; now any two
			a, b = mutate(rnd, versions[rnd.IntN(len(versions))]), versions[rnd.IntN(len(versions))]
			if CheckVersion(a) != nil {
				a = b
			}
		}
		want := []string{"lt", "eq", "gt"}[sign(CompareVersions(a, b))+1]
		fmt.Fprintln(&in, a, want, b)
	}
	cmd := exec.Command("sh", "-c", `while read -r a op b; do dpkg --compare-versions "$a" "$op" "$b" || echo "$a $op $b"; done`)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > 0 {
		t.Errorf("dpkg says otherwise:\n%s", out)
	}
}

// TestVersionsAgainstDpkgInBatch asks dpkg's own Perl library, in one process,
// about all neighbours in our order, and about pairs of which one has been
// changed a little: 20,000, or 100,000 with SATCHEL_FULL=1.
func TestVersionsAgainstDpkgInBatch(t *testing.T) {
	if err := exec.Command("perl", "-MDpkg::Version", "-e", "1").Run(); err != nil {
		need(t, "libdpkg-perl")
	}
	versions := machineVersions(t)
	var pairs [][2]string
	for i := range len(versions) - 1 {
		pairs = append(pairs, [2]string{versions[i], versions[i+1]})
	}
	neighbours := len(pairs)
	fuzzed := 20_000
	if os.Getenv("SATCHEL_FULL") == "1" {
		fuzzed = 100_000
	}
	for rnd := rand.New(rand.NewPCG(5, 6)); len(pairs) < neighbours+fuzzed; {
		a := versions[rnd.IntN(len(versions))]
		b := mutate(rnd, a)
		if rnd.IntN(4) == 0 {
			a = versions[rnd.IntN(len(versions))]
		}
		if CheckVersion(b) == nil {
			pairs = append(pairs, [2]string{a, b})
		}
	}
	var in bytes.Buffer
	for _, p := range pairs {
		fmt.Fprintln(&in, p[0], p[1])
	}
	cmd := exec.Command("perl", "-MDpkg::Version", "-ne", `($a, $b) = split; print Dpkg::Version->new($a) <=> Dpkg::Version->new($b), "\n"`)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(pairs) {
		t.Fatalf("%d answers to %d questions", len(answers), len(pairs))
	}
	equal := 0
	for i, p := range pairs {
		got := sign(CompareVersions(p[0], p[1]))
		if fmt.Sprint(got) != answers[i] {
			t.Errorf("%s and %s: got %d, dpkg says %s", p[0], p[1], got, answers[i])
		}
		if got == 0 {
			equal++
		}
	}
	t.Logf("%d neighbours and %d fuzzed pairs, %d of them equal", neighbours, fuzzed, equal)
}

// TestVersionsAgainstSecondOracle compares 200,000 pairs with another
// implementation.
func TestVersionsAgainstSecondOracle(t *testing.T) {
	versions := machineVersions(t)
	parsed := make([]version.Version, len(versions))
	for i, v := range versions {
		var err error
		if parsed[i], err = version.Parse(v); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 200_000 {
		i, j := n%len(versions), rnd.IntN(len(versions))
		if n < len(versions)-1 {
			j = n + 1
		}
		got, want := sign(CompareVersions(versions[i], versions[j])), sign(version.Compare(parsed[i], parsed[j]))
		if got != want {
			t.Fatalf("%s and %s: got %d, want %d", versions[i], versions[j], got, want)
		}
	}
}

// machineVersions returns all versions of the machine's index, sorted, each once.
func machineVersions(t *testing.T) []string {
	t.Helper()
	pkgs, err := ReadPackages("Packages", bytes.NewReader(machineIndex(t)), 0)
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, p := range pkgs {
		versions = append(versions, p.Version)
	}
	slices.Sort(versions)
	versions = slices.Compact(versions)
	slices.SortFunc(versions, CompareVersions)
	return versions
}

// mutate changes a version a little.
func mutate(rnd *rand.Rand, v string) string {
	const chars = "0123456789.+-~:aZ"
	b := []byte(v)
	for range 1 + rnd.IntN(3) {
		i := rnd.IntN(len(b))
		b[i] = chars[rnd.IntN(len(chars))]
	}
	return string(b)
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("1:2.0~rc1-1", "2.0-1", "2.0~")
	f.Add("", "0", "00-0")
	f.Add("1.0-1+b1", "1.0-1", "1.0-1~")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, ba := sign(CompareVersions(a, b)), sign(CompareVersions(b, a))
		if ab != -ba {
			t.Fatalf("%q and %q: %d one way, %d the other", a, b, ab, ba)
		}
		if CompareVersions(a, a) != 0 {
			t.Fatalf("%q is not itself", a)
		}
		if bc := sign(CompareVersions(b, c)); ab <= 0 && bc <= 0 && CompareVersions(a, c) > 0 {
			t.Fatalf("%q <= %q <= %q, but the first is greater than the last", a, b, c)
		}
		if CheckVersion(a) != nil || CheckVersion(b) != nil {
			return
		}
		va, err := version.Parse(a)
		if err != nil {
			return // the other one wants a digit first
		}
		vb, err := version.Parse(b)
		if err != nil {
			return
		}
		if want := sign(version.Compare(va, vb)); ab != want {
			t.Fatalf("%q and %q: got %d, want %d", a, b, ab, want)
		}
	})
}
