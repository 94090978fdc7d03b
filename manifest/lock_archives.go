package manifest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (c *lockChecker) archive(path string, a ArchivePin) {
	c.archiveName(path, a.Name, a.Suite, a.URI)
	c.words(join(path, "components"), a.Components, func(s string) bool { return word(s, ".-/") && checkPath(s) == nil })
	c.words(join(path, "signed-by"), a.SignedBy, func(s string) bool {
		return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789ABCDEF") == ""
	})
	c.dates(path, a.Date, a.Snapshot)
	last := ""
	for i, w := range a.Waived {
		p := fmt.Sprintf("%s.waived[%d]", path, i)
		last = c.order(p, last, string(w))
		if !slices.Contains(waivers(), w) {
			c.bad(p, "%q is no check that can be let go: there is %v", shorten(string(w)), waivers())
		}
	}
	c.blob(join(path, "keyring"), a.Keyring)
	var names []string
	c.archiveFiles(join(path, "release"), a.Release)
	for _, f := range a.Release {
		names = append(names, f.Path)
	}
	if got := strings.Join(names, " "); got != "InRelease" && got != "Release Release.gpg" {
		c.bad(join(path, "release"), "want InRelease, or Release and Release.gpg, not %q", shorten(got))
	}
	if len(a.Indexes) == 0 {
		c.bad(join(path, "indexes"), "there is none")
	}
	c.archiveFiles(join(path, "indexes"), a.Indexes)
}

func (c *lockChecker) archiveName(path, name, suite, uri string) {
	c.check(join(path, "name"), CheckName(name))
	if err := checkPath(suite); err != nil || !word(suite, ".-/+~") {
		c.bad(join(path, "suite"), "%q is no suite", shorten(suite))
	}
	if uri != "" {
		c.check(join(path, "uri"), checkWebURL(uri))
	}
}

// dates checks those of an archive; it has a snapshot only if one was asked for.
func (c *lockChecker) dates(path, date, snapshot string) {
	c.moment(join(path, "date"), date)
	if snapshot == "" {
		return
	}
	c.moment(join(path, "snapshot"), snapshot)
	if snapshot < date { // both are in one form
		c.bad(join(path, "snapshot"), "at %s there was no Release dated %s", shorten(snapshot), shorten(date))
	}
}

// moment wants a time in the one form of RFC 3339 that ends in Z.
func (c *lockChecker) moment(path, s string) {
	if t, err := time.Parse(time.RFC3339, s); err != nil || t.UTC().Format(time.RFC3339) != s {
		c.bad(path, "%q is no time: want RFC 3339 in UTC, as 2026-01-02T03:04:05Z", shorten(s))
	}
}

func (c *lockChecker) archiveFiles(path string, all []ArchiveFile) {
	last := ""
	for i, f := range all {
		p := fmt.Sprintf("%s[%d]", path, i)
		last = c.order(p, last, f.Path)
		c.check(join(p, "path"), checkPath(f.Path))
		c.blob(p, f.Blob)
	}
}

// words checks a sorted list that must not be empty.
func (c *lockChecker) words(path string, all []string, good func(string) bool) {
	if len(all) == 0 {
		c.bad(path, "there is none")
	}
	last := ""
	for i, s := range all {
		p := fmt.Sprintf("%s[%d]", path, i)
		last = c.order(p, last, s)
		if !good(s) {
			c.bad(p, "%q cannot stand here", shorten(s))
		}
	}
}
