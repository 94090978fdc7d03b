package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// shmSize is the size of /dev/shm.
const shmSize = "256m"

// mountDev makes /dev: a file system of its own on which device files do
// nothing, with the few devices each mounted on a plain file.
func mountDev(sources map[string]int) error {
	if err := ownDir("/dev"); err != nil {
		return err
	}
	if err := mount("dev", "/dev", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return err
	}
	for _, name := range devices {
		if err := errors.Join(touch("/dev/"+name), bind(sources[name], "/dev/"+name)); err != nil {
			return err
		}
		if err := restrictDevice("/dev/" + name); err != nil {
			return err
		}
	}
	for _, l := range [][2]string{
		{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"}, {"pts/ptmx", "/dev/ptmx"},
	} {
		if err := unix.Symlink(l[0], l[1]); err != nil {
			return fmt.Errorf("making %s: %w", l[1], err)
		}
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, m := range []struct {
		dir, kind string
		flags     uintptr
		data      string
	}{
		{"/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{"/dev/shm", "tmpfs", flags, "mode=1777,size=" + shmSize},
		{"/dev/mqueue", "mqueue", flags, ""},
	} {
		if err := os.Mkdir(m.dir, 0o755); err != nil {
			return err
		}
		if err := mount(m.kind, m.dir, m.kind, m.flags, m.data); err != nil {
			return err
		}
	}
	return nil
}

// restrictDevice keeps programs and set-id bits off a device's own mount;
// whose flag against devices must stay away.
func restrictDevice(path string) error {
	return restrict(path, unix.MS_NOSUID|unix.MS_NOEXEC)
}

// mountEtc puts the three files that belong to the container, not to its
// environment, over files of the same name. They lie on a file system that has
// no other name.
func (b *boot) mountEtc() error {
	if err := ownDir("/etc"); err != nil {
		return err
	}
	const at = hidden + "/etc"
	if err := unix.Mkdir(at, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", at, err)
	}
	if err := mount("etc", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return err
	}
	for name, text := range etcFiles(b.Hostname) {
		if err := placeFile(at+"/"+name, "/etc/"+name, text); err != nil {
			return err
		}
	}
	if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount", err)
	}
	if err := unix.Rmdir(at); err != nil {
		return os.NewSyscallError("rmdir", err)
	}
	return nil
}

// etcFiles are the names in /etc that the engine makes, and their content.
func etcFiles(hostname string) map[string]string {
	return map[string]string{
		"hostname":    hostname + "\n",
		"hosts":       "127.0.0.1\tlocalhost\n127.0.1.1\t" + hostname + "\n",
		"resolv.conf": "nameserver 127.0.0.1\n",
	}
}

// placeFile writes source and mounts it on target, which becomes a plain file
// if it is none (a link to a resolver's file, say).
func placeFile(source, target, text string) error {
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		return err
	}
	var st unix.Stat_t
	err := unix.Lstat(target, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		if err := unix.Unlink(target); err != nil {
			return fmt.Errorf("replacing %s: %w", target, err)
		}
		err = unix.ENOENT
	}
	if err == unix.ENOENT {
		err = touch(target)
	}
	if err != nil {
		return fmt.Errorf("making %s: %w", target, err)
	}
	return mount(source, target, "", unix.MS_BIND, "")
}

// times notes when folders that exist were changed; restoreTimes makes it so again.
func times(dirs ...string) (map[string]unix.Timespec, error) {
	m := map[string]unix.Timespec{}
	for _, d := range dirs {
		var st unix.Stat_t
		if err := unix.Lstat(d, &st); err == unix.ENOENT {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("looking at %s: %w", d, err)
		}
		m[d] = st.Mtim
	}
	return m, nil
}

func restoreTimes(m map[string]unix.Timespec) error {
	for d, t := range m {
		ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, t}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, d, ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("dating %s: %w", d, err)
		}
	}
	return nil
}
