package syscalls

import (
	"encoding/json"
	"slices"
	"testing"
)

// The profile says of every call what the table says.
func TestProfile(t *testing.T) {
	for _, machine := range []string{"amd64", "arm64", "386", "arm"} {
		text, err := Profile(machine)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := Profile(machine)
		if string(again) != string(text) {
			t.Errorf("%s: two profiles differ", machine)
		}
		var p profile
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		if p.DefaultAction != actErrno || slices.Contains(p.Architectures, "") {
			t.Errorf("%s: default %q, architectures %q", machine, p.DefaultAction, p.Architectures)
		}
		outright := map[string]string{}
		for _, r := range p.Syscalls {
			for _, name := range r.Names {
				if len(r.Args) > 0 {
					continue
				}
				if outright[name] != "" || slices.Contains(byArgument[:], name) {
					t.Errorf("%s: %s is decided twice", machine, name)
				}
				outright[name] = r.Action
			}
		}
		tables, err := Tables(machine)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			for n, name := range table.SyscallNumbers {
				want := actAllow
				if _, ok := table.Fails[n]; ok {
					want = actErrno
				} else if slices.Contains(byArgument[:], name) {
					want = ""
				}
				if outright[name] != want {
					t.Errorf("%s %s: %q, want %q", table.Name, name, outright[name], want)
				}
			}
		}
	}
	if _, err := Profile("sparc"); err == nil {
		t.Error("there is a profile for a machine without a table")
	}
}

// Each name means a call of some machine: a misspelt one would refuse nothing.
func TestNames(t *testing.T) {
	known := map[string]bool{}
	for _, machine := range []string{"amd64", "arm64"} {
		tables, err := Tables(machine)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			for name := range table.SyscallNames {
				known[name] = true
			}
		}
	}
	for _, name := range slices.Concat(refused[:], unknown[:], byArgument[:]) {
		if !known[name] {
			t.Errorf("no machine has a call %q", name)
		}
	}
}
