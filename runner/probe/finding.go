package probe

import (
	"errors"
	"slices"
	"strings"
)

// A Verdict is how a try went.
type Verdict string

// The verdicts.
const (
	OK       Verdict = "ok"
	Warning  Verdict = "warning"    // all works without it, if less well
	Fails    Verdict = "fails"      // nothing works without it
	Unneeded Verdict = "not needed" // it would help nothing here
	NotTried Verdict = "not tried"  // it takes something that fails
)

// A Finding is what a probe has found.
type Finding struct {
	Name    string   `json:"name"`
	Verdict Verdict  `json:"verdict"`
	Found   string   `json:"found"`
	Why     string   `json:"why"`
	Mend    []Remedy `json:"mend"` // any one of them, the best first
}

// A Remedy is one way to mend something.
type Remedy struct {
	Command string `json:"command"`          // for a shell; "" if it is no command
	Root    bool   `json:"root"`             // it takes root
	System  string `json:"system,omitempty"` // "debian" (and Ubuntu) or "fedora"; "" if any
	Note    string `json:"note,omitempty"`   // what to know of it, or what to do
}

// String is the remedy as part of a sentence.
func (r Remedy) String() string {
	s := r.Command
	if r.Root && s != "" {
		s = "as root, " + s
	}
	switch {
	case s == "":
		return r.Note
	case r.Note != "":
		return s + " (" + r.Note + ")"
	}
	return s
}

// Install is how packages are installed: name is Debian's, fedora Fedora's.
func Install(name, fedora string) []Remedy {
	return []Remedy{
		{Command: "apt-get install " + name, Root: true, System: "debian"},
		{Command: "dnf install " + fedora, Root: true, System: "fedora"},
	}
}

// For keeps what is meant for a system, by the ID and ID_LIKE of os-release(5);
// all, if it is an unknown one.
func For(list []Remedy, ids ...string) []Remedy {
	system := ""
	for _, id := range ids {
		switch id {
		case "debian", "ubuntu":
			system = "debian"
		case "fedora", "rhel", "centos":
			system = "fedora"
		}
	}
	if system == "" {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(r Remedy) bool { return r.System != "" && r.System != system })
}

// A Fault is an error that knows what mends it.
type Fault struct {
	Err  error
	Mend []Remedy // not empty
}

// Mend makes a fault of an error.
func Mend(err error, with ...Remedy) error {
	if err == nil {
		return nil
	}
	return &Fault{Err: err, Mend: with}
}

// Error says what is wrong, and what mends it.
func (f *Fault) Error() string {
	var ways []string
	for _, r := range f.Mend {
		ways = append(ways, r.String())
	}
	return f.Err.Error() + " (" + strings.Join(ways, "; or ") + ")"
}

// Unwrap gives the error without the remedy.
func (f *Fault) Unwrap() error { return f.Err }

// Works tells whether none of the findings is a failure.
func Works(list []Finding) bool {
	return !slices.ContainsFunc(list, func(f Finding) bool { return f.Verdict == Fails || f.Verdict == NotTried })
}

// Command is the remedy of a command that takes root.
func Command(command string) Remedy { return Remedy{Command: command, Root: true} }

// Advise is the remedy that words alone say.
func Advise(note string) Remedy { return Remedy{Note: note} }

// Remedies are all that an error knows of.
func Remedies(err error) []Remedy {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault.Mend
	}
	return nil
}
