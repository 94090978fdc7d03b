package sandbox

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// pipes join the host to the container; each is its reading and writing end.
type pipes struct {
	stdin, stdout, stderr, boot, report [2]*os.File
}

func newPipes() (*pipes, error) {
	p := &pipes{}
	for _, ends := range []*[2]*os.File{&p.stdin, &p.stdout, &p.stderr, &p.boot, &p.report} {
		r, w, err := os.Pipe()
		if err != nil {
			p.closeChild()
			p.closeHost()
			return nil, fmt.Errorf("making pipes: %w", err)
		}
		ends[0], ends[1] = r, w
	}
	for _, f := range []*os.File{p.stdin[1], p.stdout[0]} {
		grow(f)
	}
	return p, nil
}

// grow asks for a large pipe; a small one is slower, no more.
func grow(f *os.File) {
	if c, err := f.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
}

// closeChild closes the ends that the container holds. It may be called twice.
func (p *pipes) closeChild() { closeAll(p.stdin[0], p.stdout[1], p.stderr[1], p.boot[0], p.report[1]) }

// closeHost closes the ends that the host holds.
func (p *pipes) closeHost() { closeAll(p.stdin[1], p.stdout[0], p.stderr[0], p.boot[1], p.report[0]) }

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
