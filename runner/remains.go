package runner

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Remains are the root of a container as a script that failed left it. An engine keeps
// them until somebody forgets them.
type Remains struct {
	Name        string      // letters, digits and . _ -, then - and 16 hexadecimal digits; no two have one
	Environment Environment // that the container was started from
	Made        time.Time   // to the second, by whoever left them
	Note        string      // what the engine is not to read; at most MaxNote bytes
}

// Bounds of Remains, in bytes. The longer name is that of an image's tag.
const (
	MaxNote        = 4 << 10
	maxRemainsName = 128
)

// Errors of a container to be left, and of Remains to be forgotten.
var (
	ErrRuns = errors.New("the container's init still runs")
	// ErrInUse says that a container has been started from them, and is there.
	ErrInUse = errors.New("a container uses it")
)

// Check refuses what no engine can keep.
func (r Remains) Check() error {
	if !IsRemainsName(r.Name) {
		return fmt.Errorf("%.80q is no name of remains", r.Name)
	}
	if r.Environment.Key.IsZero() || r.Environment.Root.IsZero() || r.Made.IsZero() || len(r.Note) > MaxNote {
		return errors.New("no environment named, no time, or a note that is too long")
	}
	return nil
}

// CheckOf is Check, and refuses what is not of a container that was started as from says.
func (r Remains) CheckOf(from Container) error {
	if from.Environment.IsZero() || from.Remains != "" || from.Environment != r.Environment.Key {
		return errors.New("it was not started from the environment that is named")
	}
	return r.Check()
}

// IsRemainsName tells whether a name has the form of those that Remains have.
func IsRemainsName(name string) bool {
	cut := strings.LastIndexByte(name, '-')
	if cut < 1 || len(name) > maxRemainsName || name[0] == '.' || name[0] == '-' || strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) }) {
		return false
	}
	id, err := hex.DecodeString(name[cut+1:])
	return err == nil && len(id) == 8 && hex.EncodeToString(id) == name[cut+1:]
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
}

// remainsName is a new name for what a build of that descriptor and target has left.
func remainsName(descriptor, target string, id [8]byte) string {
	digits := "-" + hex.EncodeToString(id[:])
	words := strings.TrimLeft(descriptor+"-"+target, ".-") // a descriptor may be called .x
	return words[:min(len(words), maxRemainsName-len(digits))] + digits
}
