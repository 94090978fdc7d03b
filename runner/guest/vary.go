//go:build linux

package guest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"satchel/runner/guest/watch"
)

// Bits of a personality (linux/personality.h).
const (
	perUname26     = 0x0020000
	perNoRandomize = 0x0040000
)

// variation is what a build has otherwise than an ordinary one, as far as it can be
// had here.
type variation struct {
	build *Build
	now   Vary              // what the script gets
	not   map[string]string // why it does not get the rest
	seen  Seen
}

func newVariation(b *Build) *variation { return &variation{build: b, not: map[string]string{}} }

// prepare tries all that is asked for, and gives up what cannot be had. It also
// looks at what the script will see.
func (v *variation) prepare(ctx context.Context) error {
	v.now = v.build.Vary
	v.tryUptime()
	v.tryUsers()
	if v.now.Addresses {
		if err := try(perNoRandomize); err != nil {
			v.now.Addresses = false
			v.not[VaryAddresses] = err.Error()
		}
	}
	if v.now.Kernel {
		if err := v.tryKernel(ctx); err != nil {
			return err
		}
	}
	if v.now.Listings {
		switch {
		case v.build.Sudo:
			v.now.Listings = false
			v.not[VaryListings] = "the script may become root, and is not watched"
		case !watch.Usable():
			v.now.Listings = false
			v.not[VaryListings] = "it takes Linux 5.5"
		}
	}
	if v.now.Pids > 0 {
		v.useUp(v.now.Pids)
	}
	v.look()
	return nil
}

// tryUptime looks whether the engine has shifted the clock that counts from the start of the machine.
func (v *variation) tryUptime() {
	if v.now.Uptime == 0 {
		return
	}
	text, err := os.ReadFile("/proc/self/timens_offsets")
	if err != nil || !bytes.Contains(text, []byte(strconv.FormatInt(v.now.Uptime, 10))) {
		v.not[VaryUptime] = "the engine, or a kernel before 5.6, has no clock of its own for a container"
	}
}

// tryUsers looks whether the engine has given the container those users of the host.
func (v *variation) tryUsers() {
	if v.now.Users == 0 {
		return
	}
	text, err := os.ReadFile("/proc/self/uid_map") // user_namespaces(7)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "1" && f[1] == strconv.FormatInt(v.now.Users, 10) {
			return
		}
	}
	v.not[VaryUsers] = "it takes the sandbox as root, Linux 5.19, and a file system that can be mounted with other ids"
	if err != nil {
		v.not[VaryUsers] = err.Error()
	}
}

// tryKernel looks whether programs of this environment start where the kernel calls itself
// 2.6: some C libraries refuse that.
func (v *variation) tryKernel(ctx context.Context) error {
	why := ""
	if err := try(perUname26); err != nil {
		why = err.Error()
	} else {
		code, err := runAsUser(ctx, v.build, userCommand{argv: []string{"/bin/true"}, dir: "/", env: v.build.Env, out: new(bytes.Buffer), vary: Vary{Kernel: true}})
		if err != nil {
			return err
		}
		if code != 0 {
			why = fmt.Sprintf("programs of this environment do not start under it (exit status %d)", code)
		}
	}
	if why != "" {
		v.now.Kernel = false
		v.not[VaryKernel] = why
	}
	return nil
}

// listed is told how folders were listed, when the script has ended.
func (v *variation) listed(backwards, ever int) {
	if v.now.Listings && backwards == 0 && ever > 0 {
		v.not[VaryListings] = "the kernel does not let satchel answer for it"
	}
}

// useUp starts and ends threads, one after the other, until their numbers, which processes
// have too, are above n.
func (v *variation) useUp(n int) {
	number := make(chan int)
	for range 2 * n {
		go func() {
			runtime.LockOSThread() // never undone, so the thread ends
			number <- unix.Gettid()
		}()
		if <-number > n {
			return
		}
	}
	v.not[VaryPids] = "process numbers do not go up one by one here"
}

// look finds out what the script will see.
func (v *variation) look() {
	var have unix.CPUSet
	if unix.SchedGetaffinity(0, &have) == nil {
		v.seen.CPUs = have.Count()
		if v.build.CPUs > 0 {
			v.seen.CPUs = min(v.seen.CPUs, v.build.CPUs)
		}
	}
	bits := uintptr(0)
	if v.now.Kernel {
		bits = perUname26
	}
	_ = as(bits, func() {
		var u unix.Utsname
		if unix.Uname(&u) == nil {
			v.seen.Kernel = unix.ByteSliceToString(u.Release[:])
		}
	})
}

// try tells whether a personality may be had.
func try(bits uintptr) error { return as(bits, func() {}) }

// as does something with more bits of personality, on a thread of its own.
func as(bits uintptr, do func()) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never undone, so the thread ends
		_, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, bits, 0, 0)
		if e != 0 {
			failed <- fmt.Errorf("the container may not ask for it: %w", e)
			return
		}
		do()
		failed <- nil
	}()
	return <-failed
}

// words tell the step before a command what is varied.
func (v Vary) words() string {
	words := ""
	if v.Listings {
		words += wordBackwards
	}
	if v.Addresses {
		words += wordFixed
	}
	if v.Kernel {
		words += wordOld
	}
	return words
}

// layOut adds to this thread's personality what words ask for.
func layOut(words string) error {
	var bits uintptr
	if strings.Contains(words, wordFixed) {
		bits |= perNoRandomize
	}
	if strings.Contains(words, wordOld) {
		bits |= perUname26
	}
	if bits == 0 {
		return nil
	}
	now, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_PERSONALITY, now|bits, 0, 0)
	}
	if e != 0 {
		return fmt.Errorf("setting personality %#x: %w", bits, e)
	}
	return nil
}
