package manifest

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Result is what gitian writes about a build, result/NAME-res.yml, and, with
// Release set, the assert that gsign makes of it, NAME-build.assert. Everything
// is in gitian's order.
type Result struct {
	Name         string         `json:"name"`
	Out          []FileSum      `json:"out"` // below out/, by path as bytes
	In           Inputs         `json:"in"`
	Base         []BaseManifest `json:"base"` // in the order of the builds
	CacheCommon  []FileSum      `json:"cacheCommon"`
	CachePackage []FileSum      `json:"cachePackage"`

	// Of asserts alone.
	Release   string   `json:"release,omitempty"`
	Type      string   `json:"type,omitempty"` // "build"
	Optionals []string `json:"optionals,omitempty"`

	Unknown []string `json:"unknown,omitempty"` // keys that gitian does not write; sorted
}

// FileSum is a line of sha256sum's output.
type FileSum struct {
	SHA256 Digest `json:"sha256"`
	Path   string `json:"path"`
}

// Inputs is what a build took.
type Inputs struct {
	Descriptor FileSum     `json:"descriptor"` // Path is NAME-desc.yml
	Files      []FileSum   `json:"files"`      // in the descriptor's order
	Git        []GitCommit `json:"git"`        // in the descriptor's order
	Noise      []Noise     `json:"noise,omitempty"`
}

// GitCommit is the commit that a remote stood at.
type GitCommit struct {
	Commit string `json:"commit"` // 40 hexadecimal digits
	Dir    string `json:"dir"`
}

// BaseManifest is what one build had installed.
type BaseManifest struct {
	Target string    `json:"target"` // SUITE-ARCHITECTURE
	Sums   []FileSum `json:"sums"`   // Path is DebName's
	Noise  []Noise   `json:"noise,omitempty"`
}

// Noise is a line of a manifest that is no sum: what apt or sudo said there. Its
// text is anybody's; quote it before a terminal sees it.
type Noise struct {
	At   int    `json:"at"` // how many sums stand before it
	Text string `json:"text"`
}

// DebName is the name that a package's file has in apt's cache and so in a base
// manifest: a version's colon is %3a.
func DebName(name, version, architecture string) string {
	return name + "_" + strings.ReplaceAll(version, ":", "%3a") + "_" + architecture + ".deb"
}

// SplitDebName takes DebName's name apart. Of what is none, all is the name.
func SplitDebName(s string) (name, version, architecture string) {
	stem, ok := strings.CutSuffix(s, ".deb")
	name, rest, two := strings.Cut(stem, "_")
	version, architecture, three := strings.Cut(rest, "_")
	if !ok || !two || !three || strings.Contains(architecture, "_") {
		return s, "", ""
	}
	if strings.Contains(version, "%3") { // few have an epoch, and a tree has millions of names
		version = strings.ReplaceAll(strings.ReplaceAll(version, "%3a", ":"), "%3A", ":")
	}
	return name, version, architecture
}

// Marshal writes r byte for byte as Ruby's YAML library (Psych 4 with libyaml
// 0.2.5) writes gbuild's report and, if Release is set, gsign's assert. It
// refuses what a reader would take for something else.
func (r *Result) Marshal() ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("writing result: %w", err)
	}
	var w psychWriter
	w.WriteString("--- !!omap\n")
	w.entry(0, "out_manifest", sumLines(r.Out, nil))
	w.entry(0, "in_manifest", r.In.text())
	if len(r.Base) == 0 {
		w.WriteString("- base_manifests: !!omap []\n")
	} else {
		w.WriteString("- base_manifests: !!omap\n")
	}
	for _, b := range r.Base {
		w.entry(2, b.Target, sumLines(b.Sums, b.Noise))
	}
	w.entry(0, "cache_common_manifest", sumLines(r.CacheCommon, nil))
	w.entry(0, "cache_package_manifest", sumLines(r.CachePackage, nil))
	if r.Release != "" {
		w.entry(0, "release", r.Release)
		w.entry(0, "name", r.Name)
		w.entry(0, "type", r.Type)
		w.strings("optionals", r.Optionals)
	}
	return w.Bytes(), nil
}

// validate refuses a result that does not read back as itself.
func (r *Result) validate() error {
	if err := CheckName(r.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if want := r.Name + "-desc.yml"; r.In.Descriptor.Path != want || r.In.Descriptor.SHA256.IsZero() {
		return fmt.Errorf("the descriptor's sum is for %q, want %q", shorten(r.In.Descriptor.Path), want)
	}
	if len(r.Unknown) > 0 {
		return fmt.Errorf("nothing can be written for the unknown key %q", shorten(r.Unknown[0]))
	}
	for _, list := range [][]FileSum{r.Out, r.In.Files, r.CacheCommon, r.CachePackage} {
		if err := checkSums(list, nil); err != nil {
			return err
		}
	}
	if err := r.In.validate(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, b := range r.Base {
		if err := CheckName(b.Target); err != nil || len(b.Target) > 100 || seen[b.Target] {
			return fmt.Errorf("target %q is listed twice or no name", shorten(b.Target))
		}
		seen[b.Target] = true
		if err := checkSums(b.Sums, b.Noise); err != nil {
			return fmt.Errorf("target %s: %w", b.Target, err)
		}
	}
	if r.Release == "" && (r.Type != "" || r.Optionals != nil) {
		return errors.New("type and optionals stand only beside a release")
	}
	if r.Release != "" {
		return r.validateAssert()
	}
	return nil
}

func (in Inputs) validate() error {
	for _, g := range in.Git {
		if !hexDigits(g.Commit, 40) || CheckName(g.Dir) != nil {
			return fmt.Errorf("no git line can be written for %q at %q", shorten(g.Dir), shorten(g.Commit))
		}
	}
	for _, x := range in.Noise {
		if git, _ := splitGit(x.Text); len(git) > 0 {
			return fmt.Errorf("the line %q would be taken for a git line", shorten(x.Text))
		}
	}
	return checkSums(append([]FileSum{in.Descriptor}, in.Files...), in.Noise)
}

// checkSums refuses sums and noise that would not be read back as themselves.
func checkSums(sums []FileSum, noise []Noise) error {
	for _, s := range sums {
		if s.SHA256.IsZero() || !sumPath(s.Path) {
			return fmt.Errorf("no sum can be written for %q: it must be printable and no longer than 4096 bytes", shorten(s.Path))
		}
	}
	last := 0
	for _, x := range noise {
		if like, _ := splitSums(x.Text); x.At < last || x.At > len(sums) || x.Text == "" || !noiseText(x.Text) || len(like) > 0 {
			return fmt.Errorf("the line %q cannot be written where it stands", shorten(x.Text))
		}
		last = x.At
	}
	return nil
}

// noiseText reports whether s is one line that YAML keeps as it is.
func noiseText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return specialRune(r) && r != '\t' && r <= 0xffff || r == '\n' || r == 0x85 || r == 0x2028 || r == 0x2029
	})
}

func (r *Result) validateAssert() error {
	if err := CheckName(r.Release); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := CheckName(r.Type); err != nil {
		return fmt.Errorf("type: %w", err)
	}
	for _, o := range r.Optionals {
		if !sumPath(o) {
			return fmt.Errorf("optionals: %q is no name of an output", shorten(o))
		}
	}
	return nil
}

// sumPath reports whether s can stand in a sum. gbuild refuses outputs that are
// not [@\w/.:+-]+; who collects outputs does so, too.
func sumPath(s string) bool { return s != "" && clean(s) }

// sumLines writes sums as sha256sum does, noise in between.
func sumLines(sums []FileSum, noise []Noise) string {
	var b strings.Builder
	for i := 0; i <= len(sums); i++ {
		for len(noise) > 0 && (noise[0].At <= i || i == len(sums)) {
			b.WriteString(noise[0].Text + "\n")
			noise = noise[1:]
		}
		if i < len(sums) {
			b.WriteString(sums[i].SHA256.Hex() + "  " + sums[i].Path + "\n")
		}
	}
	return b.String()
}

// text writes the inputs as gbuild joins them: no newline behind a git line.
func (in Inputs) text() string {
	var b strings.Builder
	b.WriteString(sumLines(append([]FileSum{in.Descriptor}, in.Files...), in.Noise))
	for _, g := range in.Git {
		b.WriteString("git:" + g.Commit + " " + g.Dir)
	}
	return b.String()
}
