package sandbox

import (
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestSubIDs(t *testing.T) {
	const text = "# a comment\nother:1:65536\nme:100000:65536\n1000:300000:10\nmeme:5:5\n"
	got, err := parseSubIDs(strings.NewReader(text), []string{"1000", "me"})
	if want := []span{{outside: 100000, count: 65536}, {outside: 300000, count: 10}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"me", "me:1", "me:0:5", "me:-1:5", "me:4294967290:10", "me:1:0", "me:x:1", "me:1:2:3"} {
		if got, err := parseSubIDs(strings.NewReader(bad), []string{"me"}); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func TestFill(t *testing.T) {
	for _, c := range []struct {
		ranges []span
		want   []span
		have   int64
	}{
		{nil, []span{{0, 1000, 1}}, 0},
		{[]span{{0, 100000, 65536}}, []span{{0, 1000, 1}, {1, 100000, 65535}}, 65535},
		{[]span{{0, 5000, 10}, {0, 100000, 65536}, {0, 900000, 9}}, []span{{0, 1000, 1}, {1, 5000, 10}, {11, 100000, 65525}}, 65535},
		{[]span{{0, 5000, 10}}, []span{{0, 1000, 1}, {1, 5000, 10}}, 10},
	} {
		got, have := fill(1000, c.ranges)
		if !reflect.DeepEqual(got, c.want) || have != c.have {
			t.Errorf("fill(%v): %v, %d; want %v, %d", c.ranges, got, have, c.want, c.have)
		}
	}
}

func TestMapped(t *testing.T) {
	for text, want := range map[string]int64{
		"         0          0 4294967295\n": 4294967295,
		"         0       1000          1\n": 1,
		"1 100000 65535\n0 1000 1\n":         65536,
		"0 1000 1\n2 100000 65535\n":         1,
		"":                                   0,
	} {
		if got := mapped(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// The root of a user namespace with one id is told so, and not of some mount.
func TestRootWithOneID(t *testing.T) {
	c := exec.Command("/proc/self/exe", "-test.run=^TestHereEnoughIDs$", "-test.v")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	out, err := c.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Skip("this machine makes no user namespaces: ", err)
	}
	if !strings.Contains(string(out), "gives this root those below 1") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestHereEnoughIDs is what the test above starts.
func TestHereEnoughIDs(t *testing.T) { t.Log(enoughIDs()) }

// A line of any content gives ranges that are ids, or an error.
func FuzzSubIDs(f *testing.F) {
	f.Add("me:100000:65536\n")
	f.Add("me:4294967295:1\nme:1:4294967295")
	f.Fuzz(func(t *testing.T, text string) {
		ranges, err := parseSubIDs(strings.NewReader(text), []string{"me"})
		if err != nil {
			return
		}
		for _, r := range ranges {
			if r.outside <= 0 || r.count <= 0 || r.outside+r.count > 1<<32 {
				t.Errorf("%q gives %v", text, r)
			}
		}
		spans, have := fill(1, ranges)
		next := int64(0)
		for _, s := range spans {
			if s.inside != next || s.count <= 0 {
				t.Fatalf("%q gives %v", text, spans)
			}
			next += s.count
		}
		if next != have+1 || have > lastID+1 {
			t.Errorf("%q gives %d ids", text, have)
		}
	})
}
