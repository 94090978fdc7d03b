//go:build linux

package guest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"strings"
)

// The places of dpkg's database, from the root.
const (
	adminDir   = "var/lib/dpkg"
	infoDir    = adminDir + "/info"
	statusFile = adminDir + "/status"
)

// databaseFields are those that only dpkg itself may write into its status file.
var databaseFields = [...]string{"Status", "Conffiles", "Config-Version", "Triggers-Pending", "Triggers-Awaited"}

// initDatabase makes the empty database of a new root.
func initDatabase(t *tree, native string, foreign []string) error {
	for _, d := range []string{infoDir, adminDir + "/updates", adminDir + "/triggers",
		adminDir + "/alternatives", adminDir + "/parts"} {
		if err := t.mkdirs(d); err != nil {
			return fmt.Errorf("making dpkg's database: %w", err)
		}
	}
	arch := strings.Join(append([]string{native}, foreign...), "\n") + "\n"
	for _, f := range []struct{ name, content string }{
		{infoDir + "/format", "1\n"}, {adminDir + "/arch", arch}, {statusFile, ""},
	} {
		if err := t.write(f.name, []byte(f.content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// record writes packages that have been placed into the database, each
// "install ok unpacked": what dpkg --unpack leaves behind.
func record(t *tree, packages []*staged) error {
	status, err := t.read(statusFile)
	if err != nil {
		return fmt.Errorf("reading dpkg's status: %w", err)
	}
	var b bytes.Buffer
	b.Write(status)
	for _, s := range packages {
		stanza, err := statusStanza(s)
		if err == nil {
			err = recordInfo(t, s)
		}
		if err == nil {
			err = recordTriggers(t, s)
		}
		if err != nil {
			return fmt.Errorf("recording %s: %w", s.label(), err)
		}
		if b.Len() > 0 && !bytes.HasSuffix(b.Bytes(), []byte("\n\n")) {
			b.WriteByte('\n')
		}
		b.WriteString(stanza)
	}
	return t.write(statusFile, b.Bytes(), 0o644)
}

// statusStanza is a package's entry of the status file. dpkg brings the
// fields into its own order when it next writes the file.
func statusStanza(s *staged) (string, error) {
	for _, f := range databaseFields {
		if s.control.Get(f) != "" {
			return "", fmt.Errorf("its control has a field %s, which is dpkg's own", f)
		}
	}
	var b strings.Builder
	for _, f := range s.control.Fields {
		fmt.Fprintf(&b, "%s:", f.Name)
		if f.Value != "" && !strings.HasPrefix(f.Value, "\n") {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s\n", f.Value)
		if strings.EqualFold(f.Name, "Package") {
			b.WriteString("Status: install ok unpacked\n")
		}
	}
	for i, c := range allConffiles(s) {
		if i == 0 {
			b.WriteString("Conffiles:\n")
		}
		fmt.Fprintf(&b, " %s newconffile%s\n", c.name, c.flag)
	}
	b.WriteByte('\n')
	return b.String(), nil
}

// conffile is a line of a package's conffiles file. The flag, with a blank
// before it, is "" or " remove-on-upgrade"; such a file is not shipped.
type conffile struct{ name, flag string }

func allConffiles(s *staged) []conffile {
	var l []conffile
	for line := range strings.Lines(string(s.file("conffiles"))) {
		line = strings.TrimSpace(line)
		flag := ""
		if rest, ok := strings.CutPrefix(line, "remove-on-upgrade "); ok {
			line, flag = strings.TrimSpace(rest), " remove-on-upgrade"
		}
		if strings.HasPrefix(line, "/") {
			l = append(l, conffile{line, flag})
		}
	}
	return l
}

// isConffile tells whether the package ships name (without a leading slash) as
// a conffile.
func isConffile(s *staged) func(name string) bool {
	m := make(map[string]bool)
	for _, c := range allConffiles(s) {
		if c.flag == "" {
			m[strings.TrimPrefix(c.name, "/")] = true
		}
	}
	return func(name string) bool { return m[name] }
}

// infoName begins the names of a package's files in the info directory.
func infoName(s *staged) string {
	if isMultiArchSame(s.control) {
		return s.Name + ":" + s.Architecture
	}
	return s.Name
}

// recordInfo writes the package's files of the info directory.
func recordInfo(t *tree, s *staged) error {
	base := infoDir + "/" + infoName(s)
	for _, f := range s.files {
		if f.Name == "list" || f.Name == "conffiles" && len(f.Content) == 0 {
			continue
		}
		mode := os.FileMode(f.Mode & 0o755)
		if err := t.write(base+"."+f.Name, f.Content, mode); err != nil {
			return err
		}
	}
	if s.file("md5sums") == nil {
		if err := t.write(base+".md5sums", s.sums, 0o644); err != nil {
			return err
		}
	}
	return recordList(t, s)
}

// recordList writes the list of the package's files, in the archive's order.
func recordList(t *tree, s *staged) error {
	var b bytes.Buffer
	for _, e := range s.entries {
		if e.name == "" {
			b.WriteString("/.\n")
			continue
		}
		fmt.Fprintf(&b, "/%s\n", e.name)
	}
	return t.write(infoDir+"/"+infoName(s)+".list", b.Bytes(), 0o644)
}

// md5sums is what dpkg generates, when it unpacks, for a package without that
// file: all its regular files, conffiles and hard links too.
func md5sums(s *staged) []byte {
	var b bytes.Buffer
	by := make(map[string]string)
	for _, e := range s.entries {
		sum := e.md5
		if e.kind == tar.TypeLink {
			sum = by[e.link]
		}
		if sum != "" {
			by[e.name] = sum
			fmt.Fprintf(&b, "%s  %s\n", sum, e.name)
		}
	}
	return b.Bytes()
}
