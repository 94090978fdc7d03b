// Package sandbox is the engine that is built in: it makes a container of
// Linux namespaces itself, with no daemon and no other program.
//
// A container is one process tree in its own mount, pid, ipc, uts, network
// and cgroup namespace. Its root is a folder of the run (an empty start) or an
// overlay over a kept environment (a copy of it where there are no overlays); the host's root is detached before the
// init starts. It has Docker's default capabilities and no more, a system
// call filter, a private /dev, read-only kernel settings, a loopback interface
// and no other, and three open files: its standard input, output and error.
//
// Without root the container is in a user namespace: its root is the user who
// runs satchel, its other users are that user's subordinate ids (subuid(5)),
// mapped by the set-id programs newuidmap and newgidmap. All is the same then,
// but for device files, which nobody can make.
//
// The engine starts its container by executing its own program again with the
// word [InitWord] as first argument, so a program that uses the engine must
// call [Main] before it does anything else.
//
// On disk, below Options.Dir (mode 0700, owned by the user who runs satchel):
//
//	lock                           held while runs/ is changed
//	init/<sha256>                  the init's binary, mode 0555
//	environments/<key>/rootfs/     a kept root
//	environments/<key>/environment.json
//	failed/<name>/upper/           what a failed script left, over its environment; or rootfs/
//	failed/<name>/remains.json
//	runs/<id>/                     what one container writes; its lock is held
//	                               while the container lives
//
// A container does not outlive the program that started it: the kernel kills
// it when that program dies, whatever the cause. The run's folder is then
// removed by the next Start of any engine with the same Dir.
package sandbox

import "time"

// InitWord is the hidden first argument of the program that becomes a container.
const InitWord = "sandbox-init"

// EnterWord follows InitWord when a daemon has made the container already and
// only what it leaves undone is to be done: see [Main].
const EnterWord = "enter"

// Options says where an engine works.
type Options struct {
	// Dir is where environments and runs are kept, an absolute path. It is
	// created, mode 0700. Only this user may own it.
	Dir string
	// Init is the path of the static satchel binary that will be the
	// container's /.satchel/init.
	Init string
	// Sudo lets programs in the container gain rights by set-id files. The
	// zero value does not.
	Sudo bool
}

// Item is something that the engine keeps on disk.
type Item struct {
	Kind string    // "run", "environment", "failed", "init"
	Name string    // of its folder or file
	Size int64     // bytes on disk
	Made time.Time // by this machine's clock
	Live bool      // a run whose program lives, an environment or remains that one uses
}
