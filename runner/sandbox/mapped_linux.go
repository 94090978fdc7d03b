package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Root can give a container other users of the host than those that its files belong to: the
// kernel shows the files with their ids moved (mount_setattr(2), since Linux 5.12, and in an
// overlay's layers since 5.19, on file systems that know of it). The container's root stays
// root, who owns the state folder, but without any right on the host.

// mapUsers has a process start in a user namespace where root is root, and the others are
// those on the host from first on.
func mapUsers(attr *syscall.SysProcAttr, first int64) {
	attr.Cloneflags |= unix.CLONE_NEWUSER
	spans := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: 1, HostID: int(first), Size: lastID + 1}}
	attr.UidMappings, attr.GidMappings, attr.GidMappingsEnableSetgroups = spans, spans, true
}

// mapTree is the state folder with the ids that mapUsers gives. It is mounted nowhere yet.
func (e *Engine) mapTree(first int64) (_ *os.File, err error) {
	if e.ids != nil || inUserNamespace() {
		return nil, errors.New("mounting with other ids: only the machine's own root may")
	}
	users, err := userNamespace(first)
	if err != nil {
		return nil, err
	}
	defer users.Close()
	fd, err := unix.OpenTree(unix.AT_FDCWD, e.dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, fmt.Errorf("mounting with other ids: %w", os.NewSyscallError("open_tree", err))
	}
	tree := os.NewFile(uintptr(fd), e.dir)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(users.Fd())}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		tree.Close()
		return nil, fmt.Errorf("mounting with other ids: %w", os.NewSyscallError("mount_setattr", err))
	}
	return tree, nil
}

// userNamespace is one with those users: that of a process that is started for it, and waits
// to be told of an errand, which never comes.
func userNamespace(first int64) (*os.File, error) {
	runtime.LockOSThread() // whose death the kernel takes for this program's
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c := exec.Command("/proc/self/exe", InitWord, errandWord)
	c.Env, c.Dir, c.Stdin = []string{}, "/", r
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	mapUsers(c.SysProcAttr, first)
	err = c.Start()
	r.Close()
	if err != nil {
		w.Close()
		return nil, explain(err)
	}
	users, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", c.Process.Pid))
	w.Close()
	c.Wait()
	return users, err
}

// ownUsers refuses to keep anything of a container that has other users: what is removed is
// noted in its layer as an overlay of users does it, and containers without would not see that.
func (p *process) ownUsers() error {
	if p.from.Users > 0 {
		return errors.New("the container had other users of the host")
	}
	return nil
}
