//go:build linux

package guest

import "testing"

func TestLightFirst(t *testing.T) {
	for _, c := range []struct {
		name     string
		packages []string
		want     string
	}{
		{"nothing", nil, ""},
		{"small", []string{"cc 31 MiB", "tool 5 MiB"}, "cc tool"},
		{"large", []string{"cc 32 MiB", "tool 5 MiB"}, "tool | cc"},
		{"only the last wave", []string{
			"app 90 MiB; preinst; Pre-Depends: helper", "ess Essential: yes; 90 MiB", "helper 90 MiB; Depends: lib", "lib 5 MiB", "other 5 MiB"},
			"ess | helper lib | other | app"},
		{"what a preinst needs is still in a wave before", []string{
			"app 5 MiB; preinst; Pre-Depends: helper", "cc 90 MiB", "helper 2 MiB"}, "helper | app | cc"},
		{"what it depends on comes along", []string{
			"cc 90 MiB", "python 5 MiB; Depends: lib (>= 2), cc-base", "cc-base 5 MiB; Pre-Depends: more", "lib 2 MiB", "more 2 MiB"},
			"python cc-base lib more | cc"},
		{"what depends on a large one stays with it", []string{
			"cc 90 MiB", "link 1 MiB; Depends: cc", "link-link 1 MiB; Pre-Depends: link", "tool 1 MiB"}, "tool | cc link link-link"},
		{"any alternative counts", []string{
			"cc 90 MiB", "either 1 MiB; Depends: tool | cc", "tool 1 MiB"}, "tool | cc either"},
		{"a provided name, too", []string{
			"cc 90 MiB; Provides: compiler (= 3)", "user 1 MiB; Depends: compiler", "tool 1 MiB"}, "tool | cc user"},
		{"what is in already counts for nothing", []string{
			"cc 90 MiB", "ess Essential: yes; 90 MiB", "git base; 90 MiB", "tool 5 MiB; Depends: git, ess"}, "ess | git | tool | cc"},
		{"a third at most", []string{"cc 60 MiB", "tool 30 MiB"}, "tool | cc"},
		{"more than a third", []string{"cc 60 MiB", "tool 31 MiB"}, "cc tool"},
		{"the fewest bytes first", []string{
			"big 50 MiB", "cc 50 MiB", "one 26 MiB", "two 25 MiB"}, "two | big cc one"},
		{"bytes are those of all that is needed", []string{
			"cc 56 MiB", "lib 30 MiB", "one 5 MiB; Depends: lib", "two 29 MiB"}, "two | cc lib one"},
		{"of equal ones the first in the plan", []string{
			"cc 50 MiB", "big 50 MiB", "zz 26 MiB", "aa 26 MiB"}, "zz | cc big aa"},
		{"needed by several, counted once", []string{
			"cc 90 MiB", "lib 40 MiB", "one 2 MiB; Depends: lib", "two 2 MiB; Depends: lib"}, "lib one two | cc"},
		{"after one that is too large comes one that fits", []string{
			"cc 60 MiB", "lib 20 MiB", "mid 21 MiB", "one 5 MiB; Depends: lib"}, "lib one | cc mid"},
		{"circle", []string{"cc 90 MiB", "one 1 MiB; Depends: two", "two 1 MiB; Depends: one"}, "one two | cc"},
		{"circle with a large one", []string{"cc 90 MiB; Depends: one", "one 1 MiB; Depends: cc", "tool 1 MiB"}, "tool | cc one"},
		{"all as large", []string{"a 90 MiB", "b 90 MiB"}, "a b"},
		{"who waits for files is light", []string{
			"cc 60 MiB", "fc 25 MiB; triggers=interest-noawait /usr/share/fonts", "tool 15 MiB"}, "fc | cc tool"},
		{"who waits for a name is light, with what it needs", []string{
			"ca 9 MiB; triggers=# x\\ninterest update-ca; Depends: ssl", "cc 60 MiB", "ssl 16 MiB", "tool 15 MiB"}, "ca ssl | cc tool"},
		{"who sets off is not", []string{
			"cc 60 MiB", "fc 25 MiB; triggers=activate-noawait ldconfig", "tool 15 MiB"}, "tool | cc fc"},
		{"who ships a file that one waits for is light", []string{
			"cc 60 MiB", "fc 1 MiB; triggers=interest /usr/share/fonts", "font 25 MiB; md5sums=12  usr/share/doc/f\\n34  usr/share/fonts/f", "tool 15 MiB"},
			"fc font | cc tool"},
		{"who ships the path itself, too", []string{
			"cc 60 MiB", "fc 1 MiB; triggers=interest /etc/fonts", "font 25 MiB; conffiles=/etc/fonts", "tool 15 MiB"}, "fc font | cc tool"},
		{"but not one beside it", []string{
			"cc 60 MiB", "fc 1 MiB; triggers=interest /usr/share/fonts", "font 25 MiB; md5sums=34  usr/share/fonts-x/f\\n56  usr/share/fonts2", "tool 15 MiB"},
			"fc tool | cc font"},
		{"nor a path that nobody of the wave waits for", []string{
			"ess Essential: yes; triggers=interest /usr/share/fonts", "cc 60 MiB", "font 25 MiB; md5sums=34  usr/share/fonts/f", "tool 15 MiB"},
			"ess | tool | cc font"},
		{"who activates a name is light", []string{
			"ca 1 MiB; triggers=interest update-ca", "cc 60 MiB", "java 25 MiB; triggers=activate update-ca", "tool 15 MiB"}, "ca java | cc tool"},
		{"and one whose script does", []string{
			"ca 1 MiB; triggers=interest update-ca", "cc 60 MiB", "java 25 MiB; postinst=dpkg-trigger update-ca", "tool 15 MiB"}, "ca java | cc tool"},
		{"who asks for a user is light", []string{
			"cc 60 MiB", "daemon 25 MiB; postinst=#!/bin/sh\\nadduser --system x", "tool 15 MiB"}, "daemon | cc tool"},
		{"what must be light is too heavy", []string{
			"cc 90 MiB; triggers=interest x", "more 90 MiB", "tool 15 MiB"}, "cc more tool"},
		{"who looks around has all before its eyes", []string{"cc 90 MiB", "ccache 1 MiB", "tool 15 MiB"}, "cc ccache tool"},
		{"the base system is left whole", []string{"cc base; 90 MiB", "lib 5 MiB", "git base; 5 MiB; Depends: lib"}, "cc lib git"},
	} {
		if got := namesOf(lightFirst(waves(pkgs(t, c.packages)))); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
