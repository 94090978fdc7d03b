package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// hidden is where satchel's own things are, in the container.
const hidden = "/.satchel"

// devices are the host's device files that a container gets.
var devices = [...]string{"full", "null", "random", "tty", "urandom", "zero"}

// mountAll gives the process its own tree of mounts and leaves the host's.
// Everything before the pivot names the host's files; everything after it is
// looked up in the container's root, whose own names may be hostile: no step
// follows a symbolic link of the root.
func (b *boot) mountAll() error {
	if err := mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	if b.Mapped != "" {
		if err := unix.MoveMount(treeFD, "", unix.AT_FDCWD, b.Mapped, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mounting %s with other ids: %w", b.Mapped, err)
		}
	}
	sources, err := openSources(b.Init)
	if err != nil {
		return err
	}
	steps := []func() error{
		b.mountRoot, pivot, b.mountKernel,
		func() error { return mountDev(sources) },
		b.mountEtc,
		func() error { return mountInit(sources[b.Init]) },
		leaveHost, loopback, mask,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("mounting the container's files: %w", err)
		}
	}
	return restoreTimes(b.dates)
}

// openSources opens, by path only, the host's files that appear in the container.
func openSources(init string) (map[string]int, error) {
	sources := map[string]int{}
	for _, name := range append([]string{init}, devices[:]...) {
		path := name
		if !filepath.IsAbs(name) {
			path = "/dev/" + name
		}
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", path, err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, fmt.Errorf("opening %s: %w", path, err)
		}
		if name != init && st.Mode&unix.S_IFMT != unix.S_IFCHR {
			return nil, fmt.Errorf("opening %s: it is not a device", path)
		}
		sources[name] = fd
	}
	return sources, nil
}

// mountRoot mounts the container's root and enters it.
func (b *boot) mountRoot() error {
	overlay := false
	if b.Lower != "" {
		err := b.mountOverlay()
		if overlay = err == nil; !overlay && !overlayRefused(err) {
			return err
		}
		b.overlaid = overlay
		if !overlay {
			if b.Above != "" {
				return fmt.Errorf("what the script left was kept as a layer of an overlay, and there are none any more: %w", err)
			}
			if err := copyTree(b.Lower, b.Root); err != nil {
				return err
			}
		}
	}
	if !overlay {
		if err := mount(b.Root, b.Root, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if err := restrict(b.Root, unix.MS_NODEV); err != nil {
			return err
		}
	}
	if err := unix.Chdir(b.Root); err != nil {
		return os.NewSyscallError("chdir "+b.Root, err)
	}
	var err error
	b.dates, err = rootTimes()
	return err
}

// overlayRefused tells whether an error means that there is no overlay to be
// had here: no such file system in the kernel, none for users (before Linux
// 5.11), or none on what holds the state folder (another overlay, FUSE, NFS).
// The environment is copied then.
func overlayRefused(err error) bool {
	for _, no := range []error{unix.ENODEV, unix.EPERM, unix.EACCES, unix.EINVAL, unix.EOPNOTSUPP} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// mountOverlay mounts the kept environment, and what is left above it, below a fresh layer. The folders
// are named by descriptor, so that no path of the host shows in the
// container's /proc/self/mountinfo and none needs escaping.
func (b *boot) mountOverlay() error {
	top, lower, want := b.Lower, "%d", []string{b.Lower, b.Upper, b.Work}
	if b.Above != "" {
		top, lower, want = b.Above, "%d:/proc/self/fd/%d", append([]string{b.Above}, want...)
	}
	var dirs []any
	for _, d := range want {
		fd, err := unix.Open(d, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening %s: %w", d, err)
		}
		defer unix.Close(fd)
		dirs = append(dirs, fd)
	}
	// The root's own owner, mode and dates are those of the upper folder.
	if err := copyAttributes(top, b.Upper); err != nil {
		return err
	}
	layers := fmt.Sprintf("lowerdir=/proc/self/fd/"+lower+",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d", dirs...)
	options := ",index=off,metacopy=off,redirect_dir=on"
	if b.UserNS {
		options = ",index=off,metacopy=off,userxattr"
	}
	// What a run writes need not outlive a crash of the machine.
	err := mount("overlay", b.Root, "overlay", unix.MS_NODEV, layers+options+",volatile")
	if errors.Is(err, unix.EINVAL) { // before Linux 5.10
		err = mount("overlay", b.Root, "overlay", unix.MS_NODEV, layers+options)
	}
	return err
}

// copyAttributes gives one folder another's owner, mode and date.
func copyAttributes(from, to string) error {
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return fmt.Errorf("looking at %s: %w", from, err)
	}
	if err := unix.Lchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("changing owner of %s: %w", to, err)
	}
	if err := unix.Chmod(to, st.Mode&0o7777); err != nil {
		return fmt.Errorf("changing mode of %s: %w", to, err)
	}
	return restoreTimes(map[string]unix.Timespec{to: st.Mtim})
}

// pivot makes the working folder the root. The old root stays reachable in
// the hidden folder, which is a small file system of its own.
func pivot() error {
	if err := ownDir(".satchel"); err != nil {
		return err
	}
	if err := mount("satchel", ".satchel", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64k"); err != nil {
		return err
	}
	if err := unix.Mkdir(".satchel/host", 0o700); err != nil {
		return os.NewSyscallError("mkdir", err)
	}
	if err := unix.PivotRoot(".", ".satchel/host"); err != nil {
		return os.NewSyscallError("pivot_root", err)
	}
	return os.NewSyscallError("chdir", unix.Chdir("/"))
}

// mountKernel mounts the kernel's own file systems. Where a user namespace
// gets no view of devices, /sys is empty: the host's own shows its network.
func (b *boot) mountKernel() error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := errors.Join(ownDir("/proc"), ownDir("/sys")); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", flags, ""); err != nil {
		return err
	}
	err := mount("sysfs", "/sys", "sysfs", flags|unix.MS_RDONLY, "")
	if b.UserNS && errors.Is(err, unix.EPERM) {
		err = mount("sys", "/sys", "tmpfs", flags|unix.MS_RDONLY, "mode=755,size=4k")
	}
	return err
}

// mountInit puts the init's binary into the hidden folder.
func mountInit(source int) error {
	if err := touch(hidden + "/init"); err != nil {
		return err
	}
	if err := bind(source, hidden+"/init"); err != nil {
		return err
	}
	return restrict(hidden+"/init", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID)
}

// leaveHost detaches the host's root.
func leaveHost() error {
	if err := unix.Unmount(hidden+"/host", unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount", err)
	}
	if err := unix.Rmdir(hidden + "/host"); err != nil {
		return os.NewSyscallError("rmdir", err)
	}
	return restrict(hidden, unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID)
}

// ownDir makes sure that path is a folder, and not a link to one.
func ownDir(path string) error {
	err := unix.Mkdir(path, 0o755)
	if err != nil && err != unix.EEXIST {
		return fmt.Errorf("making %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("the root's %s is not a folder", strings.TrimPrefix(path, "/"))
	}
	return nil
}

// touch makes an empty file to mount on.
func touch(path string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	return unix.Close(fd)
}

// bind mounts what a descriptor names, alone, on target.
func bind(source int, target string) error {
	return mount(fmt.Sprintf("/proc/self/fd/%d", source), target, "", unix.MS_BIND, "")
}

// restrict adds flags to a mount. Those it has stay: in a user namespace they
// are locked, and asking for less is refused.
func restrict(target string, flags uintptr) error {
	var st unix.Statfs_t
	if err := unix.Statfs(target, &st); err != nil {
		return fmt.Errorf("looking at mount %s: %w", target, err)
	}
	// The kernel shows these with the values that mount(2) takes.
	const keep = unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC | unix.ST_NOATIME | unix.ST_NODIRATIME
	flags |= uintptr(st.Flags) & keep
	if uintptr(st.Flags)&unix.ST_RELATIME != 0 {
		flags |= unix.MS_RELATIME
	}
	return mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|flags, "")
}

// mount is mount(2) with an error that says what was to be mounted.
func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", strings.TrimSpace(kind+" "+source), target, err)
	}
	return nil
}

// rootTimes notes the dates of the container's / and /etc, which are the
// working folder still.
func rootTimes() (map[string]unix.Timespec, error) {
	here, err := times(".", "etc")
	if err != nil {
		return nil, err
	}
	dates := map[string]unix.Timespec{"/": here["."]}
	if t, ok := here["etc"]; ok {
		dates["/etc"] = t
	}
	return dates, nil
}
