package runner

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"satchel/manifest"
	"satchel/runner/guest"
)

// Wanted is one thing outside that a build script asked for, and what would
// have it in the bundle.
type Wanted struct {
	Name    string `json:"name,omitempty"`    // host name; or
	Address string `json:"address,omitempty"` // IP:PORT
	// Ends is the line of the descriptor's script where the command ends that
	// bash ran; 0 if that is not known. Line is the nearest one, up from there, where the
	// program that was started stands: another one inside of a loop or function.
	Ends int `json:"ends,omitempty"`
	Line int `json:"line,omitempty"`
	// Place is Line in the descriptor's file, FILE:LINE; "" if its lines are others.
	Place    string   `json:"place,omitempty"`
	Commands []string `json:"commands,omitempty"` // from bash's own down to the one that asked
	URL      string   `json:"url,omitempty"`      // that a command named, at that host
	Remedy   string   `json:"remedy"`
}

// String says what was asked for, by which command, where.
func (w Wanted) String() string {
	var s strings.Builder
	s.WriteString(w.Name + w.Address)
	if n := len(w.Commands); n > 0 {
		fmt.Fprintf(&s, ", by %q", w.Commands[n-1])
		if n > 1 {
			fmt.Fprintf(&s, " for %q", w.Commands[0])
		}
	}
	if w.Line > 0 {
		fmt.Fprintf(&s, ", in line %d of the script", w.Line)
		if w.Place != "" {
			fmt.Fprintf(&s, " (%s)", w.Place)
		}
	}
	if w.Ends != w.Line {
		fmt.Fprintf(&s, ", run by the command that ends in line %d", w.Ends)
	}
	return s.String()
}

// wantedOf says of what the guest saw where in d's script it was. script is
// what bash was fed: the prelude, then d's script.
func wantedOf(d *manifest.Descriptor, script string, seen []guest.Wanted) []Wanted {
	prelude := strings.Count(strings.TrimSuffix(strings.TrimSuffix(script, "\n"), strings.TrimSuffix(d.Script, "\n")), "\n")
	lines := strings.Split(strings.TrimSuffix(d.Script, "\n"), "\n")
	var all []Wanted
	for _, g := range seen {
		w := Wanted{Name: g.Name, Address: g.Address}
		for _, c := range g.Commands {
			w.Commands = append(w.Commands, Printable(c))
		}
		w.Ends = max(0, min(g.Line-prelude, len(lines)))
		if w.Ends > 0 {
			w.Line = mention(lines[:w.Ends], w.Commands)
			if d.ScriptLine > 0 {
				w.Place = fmt.Sprintf("%s:%d", d.File, d.ScriptLine+w.Line-1)
			}
		}
		w.URL = urlAt(w.Name, w.Commands)
		w.Remedy = remedy(w)
		all = append(all, w)
	}
	return all
}

// mention is the number of the last of the lines in which the program stands that the
// script started; without one it is the last line.
func mention(lines, commands []string) int {
	if len(commands) > 0 {
		program := regexp.MustCompile(`(^|[^\w.-])` + regexp.QuoteMeta(programOf(commands[0])) + `($|[^\w.-])`)
		for i, line := range slices.Backward(lines) {
			if program.MatchString(line) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				return i + 1
			}
		}
	}
	return len(lines)
}

// programOf is the name of the program that a command line starts: of the
// script, if it is an interpreter's, and of the module that Python is told to run.
func programOf(command string) string {
	words := strings.Fields(command)
	if len(words) > 2 && strings.HasPrefix(path.Base(words[0]), "python") && words[1] == "-m" {
		return words[2]
	}
	for len(words) > 1 && slices.Contains([]string{"sh", "bash", "dash", "perl", "python3", "env"}, path.Base(words[0])) && !strings.HasPrefix(words[1], "-") {
		words = words[1:]
	}
	if len(words) == 0 {
		return ""
	}
	return path.Base(words[0])
}

// urlAt is the URL at the host of that name that the nearest command names.
func urlAt(host string, commands []string) string {
	for _, c := range slices.Backward(commands) {
		for _, word := range strings.Fields(c) {
			scheme, rest, ok := strings.Cut(word, "://")
			at, _, _ := strings.Cut(rest, "/")
			at, _, _ = strings.Cut(at, ":")
			if ok && strings.EqualFold(at, host) && host != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz+") == "" && !strings.HasSuffix(word, "…") {
				return word
			}
		}
	}
	return ""
}

// remedies are by the program that asked, or that had it asked.
var remedies = []struct {
	programs []string
	text     string
}{
	{[]string{"apt-get", "apt", "aptitude"}, "name the packages under packages: in the descriptor, and gather again"},
	{[]string{"git", "git-remote-https", "git-remote-http", "hg", "svn"}, "name the repository under remotes: in the descriptor (its submodules come along), and gather again"},
	{[]string{"pip", "pip3", "pip2"}, "name the packages' files under files: in the descriptor, install them with pip --no-index --find-links=$HOME/build, and gather again"},
	{[]string{"cargo", "rustup", "npm", "yarn", "go", "gem", "mvn", "gradle"}, "pack what it downloads into one archive (its vendor command does), name that under files: in the descriptor, and gather again"},
}

// remedy says what would put it into the bundle.
func remedy(w Wanted) string {
	for _, c := range w.Commands {
		for _, r := range remedies {
			if slices.Contains(r.programs, programOf(c)) {
				return r.text
			}
		}
	}
	if name := path.Base(w.URL); w.URL != "" && manifest.CheckFileName(name) == nil {
		return fmt.Sprintf("name %s under files: in the descriptor, give satchel.yaml beside it files: {%s: {url: %q, sha256: …}}, and gather again", name, name, w.URL)
	}
	return "name the files that come from there under files: in the descriptor, say in satchel.yaml beside it where they are, and gather again"
}
