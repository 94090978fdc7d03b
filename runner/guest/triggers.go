//go:build linux

package guest

import (
	"fmt"
	"strings"
)

// The files of dpkg's triggers, as in its doc/triggers.txt.
const (
	triggersDir = adminDir + "/triggers"
	// fileTriggers has a line "PATH PACKAGE[/noawait]" for each interest in a path.
	fileTriggers = triggersDir + "/File"
	// unincorp has a line "TRIGGER PACKAGE…" for each activation that dpkg has
	// not worked into its status yet; it does so whenever it begins.
	unincorp = triggersDir + "/Unincorp"
)

// directive is a line of a package's triggers file, deb-triggers(5).
type directive struct {
	activate, await bool // else: interest, noawait
	trigger         string
}

// parseTriggers reads a triggers file as dpkg does, which refuses a package
// with a line that it does not know.
func parseTriggers(text []byte) ([]directive, error) {
	var all []directive
	for line := range strings.Lines(string(text)) {
		line = strings.Trim(line, triggerBlanks)
		if line == "" || line[0] == '#' {
			continue
		}
		i := strings.IndexAny(line, triggerBlanks)
		if i < 0 {
			return nil, fmt.Errorf("its triggers file has a malformed line %q", clip(line, 80))
		}
		d := directive{await: true, trigger: strings.TrimLeft(line[i:], triggerBlanks)}
		switch line[:i] {
		case "interest", "interest-await":
		case "interest-noawait":
			d.await = false
		case "activate", "activate-await":
			d.activate = true
		case "activate-noawait":
			d.activate, d.await = true, false
		default:
			return nil, fmt.Errorf("its triggers file has a malformed line %q", clip(line, 80))
		}
		// A trigger of no known kind can be activated, to no effect.
		if !isPrintable(d.trigger) || !d.activate && !isFileTrigger(d.trigger) && !isNamedTrigger(d.trigger) {
			return nil, fmt.Errorf("its trigger %q is not allowed", clip(d.trigger, 80))
		}
		all = append(all, d)
	}
	return all, nil
}

const triggerBlanks = " \t\n\v\f\r"

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// isFileTrigger tells whether s is a whole path, no element of it empty.
func isFileTrigger(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasSuffix(s, "/") && !strings.Contains(s, "//")
}

func isNamedTrigger(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-+.", r))
	}) < 0 && !strings.ContainsRune("-+.", rune(s[0]))
}

// recordTriggers notes what the package is interested in: paths in File, names
// each in a file of its own. The package's earlier interest in the same goes.
func recordTriggers(t *tree, s *staged) error {
	all, err := parseTriggers(s.file("triggers"))
	if err != nil {
		return err
	}
	who := infoName(s)
	for _, d := range all {
		if d.activate {
			continue
		}
		name, entry := triggersDir+"/"+d.trigger, who
		if d.trigger[0] == '/' {
			name, entry = fileTriggers, d.trigger+" "+who
		}
		old, err := t.read(name)
		if err != nil {
			return err
		}
		if err := t.write(name, withInterest(old, entry, d.await), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// withInterest adds a line to a list of interests. In File a second interest in
// the same stays at its place, with the options of the last; a named trigger's
// goes to the end.
func withInterest(list []byte, entry string, await bool) []byte {
	line := entry + "\n"
	if !await {
		line = entry + "/noawait\n"
	}
	var b strings.Builder
	placed := false
	for l := range strings.Lines(string(list)) {
		switch {
		case withoutOptions(l) != entry:
			b.WriteString(l)
		case entry[0] == '/':
			b.WriteString(line)
			placed = true
		}
	}
	if !placed {
		b.WriteString(line)
	}
	return []byte(b.String())
}

// withoutOptions is the line of an interest up to the slash behind the package.
func withoutOptions(line string) string {
	i := strings.LastIndexByte(line, ' ') + 1
	who, _, _ := strings.Cut(strings.TrimSpace(line[i:]), "/")
	return line[:i] + who
}

// activations are what packages set off while they are unpacked: dpkg itself
// would note them at once, we leave them for it in Unincorp. Whether anybody
// waits for them, and that only a package which is configured already is told,
// it decides there by the same rules; that a path there means those above it too
// makes no difference, since packages ship the directories of their files.
type activations struct {
	paths map[string]bool // somebody's interest
	list  []string        // lines "TRIGGER PACKAGE\n", in the order of the first time; "-" waits for nothing
	seen  map[string]bool
}

// readInterests returns the paths that packages unpacked so far are interested in.
func readInterests(t *tree) (*activations, error) {
	text, err := t.read(fileTriggers)
	if err != nil {
		return nil, fmt.Errorf("reading dpkg's file triggers: %w", err)
	}
	a := &activations{paths: make(map[string]bool), seen: make(map[string]bool)}
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(line, " ")
		if !ok || !isFileTrigger(name) {
			return nil, fmt.Errorf("reading dpkg's file triggers: a malformed line %q", clip(line, 80))
		}
		a.paths[name] = true
	}
	return a, nil
}

// startTriggers begins to note what a wave sets off. If the first part of a divided
// one has libraries, the second sets off ldconfig in any case: it lists links, too,
// and those of packages without libraries set off nothing.
func (p *placer) startTriggers() error {
	earlier := p.triggers
	var err error
	if p.triggers, err = readInterests(p.tree); err != nil {
		return err
	}
	if p.rest && earlier != nil && earlier.seen["ldconfig -\n"] {
		p.triggers.add("ldconfig", "-")
	}
	return nil
}

// begin notes what a package's control part activates. A package that dpkg does
// not know yet waits for none of it: it does when dpkg configures it, and
// activates the same again.
func (a *activations) begin(s *staged) error {
	all, err := parseTriggers(s.file("triggers"))
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.activate {
			a.add(d.trigger, "-")
		}
	}
	return nil
}

// path notes that a package has unpacked something at a name, without its
// leading slash.
func (a *activations) path(s *staged, name string) {
	if name = "/" + name; a.paths[name] {
		a.add(name, infoName(s))
	}
}

// add notes an activation, each pair once. They get a line each, since dpkg
// takes no long ones.
func (a *activations) add(trigger, awaiter string) {
	line := trigger + " " + awaiter + "\n"
	if !a.seen[line] {
		a.seen[line] = true
		a.list = append(a.list, line)
	}
}

// record adds them to what dpkg will work in, behind what scripts have left there.
func (a *activations) record(t *tree) error {
	if len(a.list) == 0 {
		return nil
	}
	old, err := t.read(unincorp)
	if err != nil {
		return fmt.Errorf("recording triggers: %w", err)
	}
	if err := t.write(unincorp, append(old, strings.Join(a.list, "")...), 0o644); err != nil {
		return fmt.Errorf("recording triggers: %w", err)
	}
	a.list = nil
	return nil
}
