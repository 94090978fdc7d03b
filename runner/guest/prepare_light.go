//go:build linux

package guest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// lightFirst divides the last wave, if it is large, so that most of it is
// configured while the largest packages are still being unpacked aside: nothing
// is left to unpack beside the configuring of a last wave, which is the work of
// one processor, and partly just waiting.
//
// The light part comes first. It takes packages with all that they need in the
// wave: those that would be seen to have come in parts, see mustBeLight, then those
// that need the fewest bytes, as far as all make no more than a third of the wave.
// What has most to configure (interpreters, certificates, fonts) is small, what is
// largest (compilers for other machines, their libraries) has next to no scripts.
//
// The light part is closed under Depends and Pre-Depends, so all that dpkg promises
// to a package of either part is as it was. The plan alone decides: neither what has
// been unpacked already nor who was faster. A wave that holds something of the base
// system is left whole, and one in which what must be light is not.
func lightFirst(waves [][]*staged) [][]*staged {
	if len(waves) == 0 {
		return waves
	}
	last := waves[len(waves)-1]
	if slices.ContainsFunc(last, func(s *staged) bool { return s.Base || s.Name == lookAround }) {
		return waves
	}
	by := byName(last)
	var all int64
	weight := make(map[*staged]int64)
	for _, s := range last {
		all += s.Size
		weight[s] = bytesOf(closure(by, []*staged{s}, nil))
	}
	light := closure(by, mustBeLight(last), nil)
	left := all/3 - bytesOf(light)
	if left < 0 {
		return waves
	}
	order := slices.Clone(last)
	slices.SortStableFunc(order, func(a, b *staged) int { return cmp.Compare(weight[a], weight[b]) })
	for _, s := range order {
		more := closure(by, []*staged{s}, light)
		if n := bytesOf(more); n <= left {
			left -= n
			maps.Copy(light, more)
		}
	}
	if len(light) == 0 || all-bytesOf(light) < worthDividing {
		return waves
	}
	return append(waves[:len(waves)-1:len(waves)-1], pick(last, light, true), pick(last, light, false))
}

// lookAround is the one package known to look, while it is configured, for the
// files of others that it neither depends on nor has a trigger for: it makes links
// for the compilers there are.
const lookAround = "ccache"

// bytesOf is the size of packages' .debs together.
func bytesOf(set map[*staged]bool) (n int64) {
	for s := range set {
		n += s.Size
	}
	return n
}

// inTurn is what scripts call that gives out the next free number, or adds a line
// to the end of a file: who comes first shows.
var inTurn = [...]string{"adduser", "addgroup", "useradd", "groupadd", "sysusers", "add-shell"}

// mustBeLight are the packages of a wave that would be seen to have come in parts.
// Those that wait for triggers, and those that set them off: dpkg tells only a
// package that is configured already, so one would be told of what a later part
// brings and not of what its own did, and the work would be done twice; and dpkg
// lists who waits in the order of their coming. And those whose scripts do what is
// done in turn.
func mustBeLight(wave []*staged) (out []*staged) {
	var awaited []string
	for _, s := range wave {
		all, _ := parseTriggers(s.file("triggers")) // what is malformed is refused when it is unpacked
		for _, d := range all {
			if !d.activate {
				awaited = append(awaited, d.trigger)
			}
		}
	}
	for _, s := range wave {
		if s.speaksOf(awaited...) || s.speaksOf(inTurn[:]...) || slices.ContainsFunc(awaited, s.ships) {
			out = append(out, s)
		}
	}
	return out
}

// ships tells whether a package has a file at or below a trigger's path, by what
// its control part lists.
func (s *staged) ships(trigger string) bool {
	if !isFileTrigger(trigger) {
		return false
	}
	for _, list := range []struct{ file, prefix string }{{"md5sums", "  "}, {"conffiles", "/"}} {
		text, name := s.file(list.file), list.prefix+trigger[1:]
		if bytes.Contains(text, []byte(name+"/")) || bytes.Contains(text, []byte(name+"\n")) {
			return true
		}
	}
	return false
}
