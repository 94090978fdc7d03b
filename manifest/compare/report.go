package compare

// Answer is the one word that a comparison comes to.
type Answer string

// The answers.
const (
	Agree        Answer = "agree"        // all have the same outputs
	Differ       Answer = "differ"       // from the same inputs came other outputs
	Incomparable Answer = "incomparable" // other outputs, and other sources or another descriptor
	Alone        Answer = "alone"        // there are not two to compare
)

// Report is the whole of a comparison.
type Report struct {
	Release  string    `json:"release,omitempty"`
	Name     string    `json:"name,omitempty"`
	Answer   Answer    `json:"answer"`
	Text     string    `json:"text"`     // the answer in a sentence
	Vouching int       `json:"vouching"` // how many independent good signatures the first camp has
	Builders []Builder `json:"builders"` // by signer
	Camps    []Camp    `json:"camps"`    // the one to compare with comes first
	Outputs  []Output  `json:"outputs"`  // by path
	Inputs   []Inputs  `json:"inputs"`   // who took what, the most common first
}

// Builder is one statement and where it stands.
type Builder struct {
	Signer    string    `json:"signer"`
	File      string    `json:"file"`
	Camp      string    `json:"camp,omitempty"`   // "A", …; none if it was not compared
	Inputs    int       `json:"inputs,omitempty"` // from 1, the place in Report.Inputs
	Packages  int       `json:"packages"`         // in its base manifests
	Problem   string    `json:"problem,omitempty"`
	Signature Signature `json:"signature"`
}

// Camp is a group of builders with the same outputs.
type Camp struct {
	Letter   string   `json:"letter"` // "A", "B", …
	Signers  []string `json:"signers"`
	Vouching int      `json:"vouching"`      // independent good signatures
	Differs  []string `json:"differs"`       // outputs that the first camp has otherwise or not at all
	Why      *Why     `json:"why,omitempty"` // none for the first camp
}

// Output is one output and what each camp has for it.
type Output struct {
	Path string   `json:"path"`
	Sums []string `json:"sums"` // SHA-256, one a camp, in their order; "" where it has none
}

// Inputs is one set of sources, files and descriptor.
type Inputs struct {
	Signers []string          `json:"signers"`
	Known   bool              `json:"known"`   // false: lists of sums say nothing of inputs
	Differs []InputDifference `json:"differs"` // from the first
}

// InputDifference is a file, a commit or the descriptor that two builders took
// differently. "" means that one did not have it.
type InputDifference struct {
	Kind   string `json:"kind"` // "descriptor", "file", "source"
	Name   string `json:"name"`
	Ours   string `json:"ours"`   // of the first
	Theirs string `json:"theirs"` // hash or commit
}

// Cause is what a difference of outputs comes from.
type Cause string

// The causes, in the order in which they are looked for.
const (
	OtherInputs      Cause = "inputs"
	OtherPackages    Cause = "packages"
	OtherEnvironment Cause = "environment"
	TheBuild         Cause = "build"
	UnknownCause     Cause = "unknown" // a list of sums tells nothing but outputs
)

// Why says why a camp has other outputs than the first.
type Why struct {
	Cause        Cause               `json:"cause"`
	Text         string              `json:"text"` // the cause and the next step, in a sentence
	Inputs       []InputDifference   `json:"inputs,omitempty"`
	Packages     []PackageDifference `json:"packages,omitempty"`     // the likeliest first
	Environments []string            `json:"environments,omitempty"` // targets whose environments differ
}

// PackageDifference is a package that every builder of the camp has in a version
// that no builder of the first camp has.
type PackageDifference struct {
	Target       string    `json:"target"`
	Name         string    `json:"name"`
	Architecture string    `json:"architecture"`
	Class        string    `json:"class"`  // "compiler", "linker", …
	Ours         []Version `json:"ours"`   // of the first camp, the most common first; none: it has it not
	Theirs       []Version `json:"theirs"` // of the camp
	// Steady: all of the first camp have one version. Where they do not, and
	// agree all the same, that package is less likely the cause.
	Steady bool `json:"steady"`
}

// Version is one version of a package and how many builders have it.
type Version struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Count   int    `json:"count"`
}
