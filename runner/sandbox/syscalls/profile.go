package syscalls

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// The profile's JSON, as Docker documents it and the OCI runtime
// specification's seccomp section explains it.
type profile struct {
	DefaultAction   string   `json:"defaultAction"`
	DefaultErrnoRet uint     `json:"defaultErrnoRet"`
	Architectures   []string `json:"architectures"`
	Syscalls        []rule   `json:"syscalls"`
}

type rule struct {
	Names    []string    `json:"names"`
	Action   string      `json:"action"`
	ErrnoRet *uint       `json:"errnoRet,omitempty"`
	Args     []condition `json:"args,omitempty"`
}

type condition struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

const (
	actAllow = "SCMP_ACT_ALLOW"
	actErrno = "SCMP_ACT_ERRNO"
)

// Profile returns the filter as JSON for a daemon on a machine of the given
// GOARCH. What it does not name fails with ENOSYS (or EPERM, if the daemon is
// older than that choice). libseccomp lets 32-bit programs make sockets of any
// family by the old call socketcall as soon as socket is allowed with some
// family, so the container's first process loads the filter itself as well.
// A condition compares all 64 bits of an argument of
// which the kernel may look at 32, so conditions only ever allow.
func Profile(goarch string) ([]byte, error) {
	tables, err := Tables(goarch)
	if err != nil {
		return nil, err
	}
	p := profile{DefaultAction: actErrno, DefaultErrnoRet: ENOSYS}
	allowed, fails := map[string]bool{}, map[string]int{}
	for _, t := range tables {
		p.Architectures = append(p.Architectures, architecture(t.Name))
		for n, name := range t.SyscallNumbers {
			if errno, ok := t.Fails[n]; ok {
				fails[name] = errno
			} else {
				allowed[name] = true
			}
		}
	}
	for _, name := range byArgument {
		delete(allowed, name)
	}
	p.Syscalls = append(p.Syscalls, rule{Names: slices.Sorted(maps.Keys(allowed)), Action: actAllow})
	// ENOSYS is said outright though it is the default: engines before 22.06 do
	// not know defaultErrnoRet and answer EPERM, on which posix_spawn (so make)
	// gives up instead of doing without clone3.
	for _, errno := range []uint{EPERM, ENOSYS} {
		r := rule{Action: actErrno, ErrnoRet: &errno}
		for _, name := range slices.Sorted(maps.Keys(fails)) {
			if fails[name] == int(errno) {
				r.Names = append(r.Names, name)
			}
		}
		p.Syscalls = append(p.Syscalls, r)
	}
	p.Syscalls = append(p.Syscalls, conditions()...)
	return json.Marshal(p)
}

// architecture is libseccomp's name.
func architecture(name string) string {
	return map[string]string{
		"x86_64": "SCMP_ARCH_X86_64", "i386": "SCMP_ARCH_X86", "aarch64": "SCMP_ARCH_AARCH64", "arm": "SCMP_ARCH_ARM",
	}[name]
}

// conditions are the rules of the calls in byArgument.
func conditions() (rules []rule) {
	allow := func(name string, c condition) {
		rules = append(rules, rule{Names: []string{name}, Action: actAllow, Args: []condition{c}})
	}
	refuse := func(name string, errno uint, c condition) {
		rules = append(rules, rule{Names: []string{name}, Action: actErrno, ErrnoRet: &errno, Args: []condition{c}})
	}
	const masked, equal = "SCMP_CMP_MASKED_EQ", "SCMP_CMP_EQ"
	allow("clone", condition{Value: NewNamespaces, Op: masked})
	allow("unshare", condition{Value: NewNamespaces | NewTime, Op: masked})
	for _, name := range []string{"clone", "unshare"} {
		for bit := uint64(1 << 7); bit <= 0x40000000; bit <<= 1 {
			if bit&NewNamespaces != 0 || name == "unshare" && bit == NewTime {
				refuse(name, EPERM, condition{Value: bit, ValueTwo: bit, Op: masked})
			}
		}
	}
	for _, f := range Families() {
		allow("socket", condition{Value: uint64(f), Op: equal})
	}
	allow("socketcall", condition{Value: SocketcallSocket, Op: "SCMP_CMP_GT"})
	for _, v := range Personalities() {
		allow("personality", condition{Value: uint64(v), Op: equal})
	}
	allow("ioctl", condition{Index: 1, Value: uint64(Typing()[0]), Op: "SCMP_CMP_LT"})
	allow("ioctl", condition{Index: 1, Value: uint64(Typing()[1]), Op: "SCMP_CMP_GT"})
	for v := uint64(Typing()[0]) + 1; v < uint64(Typing()[1]); v++ {
		allow("ioctl", condition{Index: 1, Value: v, Op: equal})
	}
	return rules
}

// GOARCH translates a daemon's name of its machine; "" if it is unknown.
func GOARCH(machine string) string {
	return map[string]string{"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}[machine]
}

// String is for tests that print a table.
func (t Table) String() string { return fmt.Sprintf("%s: %d calls fail", t.Name, len(t.Fails)) }
