//go:build linux

package guest

import (
	"bytes"
	"strconv"
)

// owners maps the names of users and groups to ids, as dpkg does through the
// passwd and group of the system it works on.
type owners struct{ users, groups map[string]int }

// parseOwners reads passwd(5) and group(5); lines that are not of that form
// name nobody.
func parseOwners(passwd, group []byte) owners {
	return owners{parseIDs(passwd), parseIDs(group)}
}

func parseIDs(text []byte) map[string]int {
	ids := make(map[string]int)
	for line := range bytes.Lines(text) {
		f := bytes.SplitN(line, []byte(":"), 4)
		if len(f) < 3 {
			continue
		}
		id, err := strconv.Atoi(string(bytes.TrimSpace(f[2])))
		if err != nil || id < 0 {
			continue
		}
		if name := string(f[0]); name != "" {
			if _, twice := ids[name]; !twice {
				ids[name] = id
			}
		}
	}
	return ids
}

// of returns e's owner: by name where the name is known, by number else.
func (o owners) of(e *entry) (uid, gid int) {
	uid, gid = e.uid, e.gid
	if id, ok := o.users[e.uname]; ok {
		uid = id
	}
	if id, ok := o.groups[e.gname]; ok {
		gid = id
	}
	return uid, gid
}
