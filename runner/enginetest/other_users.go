package enginetest

import (
	"fmt"
	"strings"
	"testing"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// OtherUsers wants the engine's containers to have other users of the host when they are asked
// to; of the tests of every engine the same is one, but for that.
func OtherUsers(t *testing.T, open Opener) {
	if got, want := (&suite{open: open, init: BuildProbe(t), rows: Rows{}}).otherUsers(t), "0 0 1 1 1073741824 65535"; got != want {
		t.Errorf("the container's users are %q, want %q", got, want)
	}
}

// otherUsers starts a container from an environment as always and one with other users of the
// host: both see and make the same files, with the same owners. It returns who the users of the
// second one are.
func (s *suite) otherUsers(t *testing.T) (second string) {
	e := s.engine(t)
	env, want := s.kept(t, e, "other-users")
	var made [2][]string
	var users [2]string
	for i, first := range []int64{0, 1 << 30} {
		c := s.start(t, e, runner.Container{Environment: env.Key, Users: first})
		diff(t, tree(c), want)
		users[i] = strings.Join(strings.Fields(c.read("/proc/self/uid_map")), " ")
		if groups := strings.Join(strings.Fields(c.read("/proc/self/gid_map")), " "); groups != users[i] && i > 0 && users[1] != users[0] {
			t.Errorf("users from %d on: the container's users are %q, its groups %q", first, users[i], groups)
		}
		c.must(wire.Request{Op: "write", Path: "/home/own", Data: []byte("theirs"), Mode: 0o4755, UID: 1000, GID: 65534})
		c.must(wire.Request{Op: "write", Path: "/usr/new", Mode: 0o600, UID: 65534, GID: 1})
		c.must(wire.Request{Op: "remove", Path: "/usr/soft"})
		for _, f := range c.must(wire.Request{Op: "list", Path: "/"}).Files {
			if f.Path == "/home/own" || strings.HasPrefix(f.Path, "/usr/") {
				f.Time, f.Ino = 0, 0
				made[i] = append(made[i], fmt.Sprint(f))
			}
		}
		c.end()
		if err := c.Leave(t.Context(), left(env, int64(i))); (err == nil) != (users[i] == users[0]) {
			t.Errorf("users from %d on: Leave: %v", first, err)
		}
		c.Close()
	}
	s.forget(t, e)
	diff(t, made[1], made[0])
	return users[1]
}
