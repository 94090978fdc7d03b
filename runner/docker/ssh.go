package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"satchel/runner"
)

// A remote is a daemon that is reached as the docker command reaches one:
// ssh runs "docker system dial-stdio" there, whose standard streams are a
// connection to the daemon.
type remote struct {
	name string   // the host's
	args []string // of ssh
}

// parseSSH reads ssh://[USER@]HOST[:PORT][/SOCKET], which from says.
func parseSSH(from, text string) (*remote, error) {
	bad := func(why string) error {
		return fmt.Errorf("reading %s %.200q: %s; want ssh://[USER@]HOST[:PORT]", from, text, why)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, bad(err.Error())
	}
	password := false
	if u.User != nil {
		_, password = u.User.Password()
	}
	switch {
	case u.Scheme != "ssh" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, bad("it is none")
	case password:
		return nil, bad("a password is not given to ssh; use a key")
	case !plain(u.Hostname(), ".:%_") || !plain(u.User.Username(), "._@"):
		return nil, bad("host or user has a character that ssh or a shell could take for something else")
	case !plain(strings.TrimPrefix(u.Path, "/"), "._/"):
		return nil, bad("so has the path")
	}
	r := &remote{name: u.Hostname(), args: []string{"-T", "-o", "ConnectTimeout=30"}}
	if name := u.User.Username(); name != "" {
		r.args = append(r.args, "-l", name)
	}
	if port := u.Port(); port != "" {
		r.args = append(r.args, "-p", port)
	}
	r.args = append(r.args, "--", u.Hostname(), "docker")
	if p := strings.TrimRight(u.Path, "/"); p != "" {
		r.args = append(r.args, "--host", "unix://"+p)
	}
	r.args = append(r.args, "system", "dial-stdio")
	if strings.Contains(r.name, ":") {
		r.name = "[" + r.name + "]"
	}
	return r, nil
}

// plain tells whether s is made of letters, digits, hyphens (not first) and
// the other characters given.
func plain(s, others string) bool {
	return !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || strings.ContainsRune(others, c))
	})
}

// dial starts ssh. The connection's end ends it.
func (r *remote) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &sshConn{words: runner.Tail{Max: 4 << 10}, ended: make(chan struct{})}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting ssh: %w", err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		theirIn.Close()
		in.Close()
		return nil, fmt.Errorf("starting ssh: %w", err)
	}
	c.in, c.out = in, out
	c.cmd = exec.Command("ssh", r.args...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirIn, theirOut, &c.words
	// Ctrl-C is for satchel, which needs the connection to remove its container.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = c.cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, fmt.Errorf("starting ssh: %w", err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// sshConn is a connection over a process's standard streams.
type sshConn struct {
	cmd     *exec.Cmd
	in, out *os.File // the process's standard input and output
	words   runner.Tail

	ended chan struct{} // closed when err is known
	err   error
	once  sync.Once
}

// Read reads; where ssh has failed its own words are the error.
func (c *sshConn) Read(b []byte) (int, error) {
	n, err := c.out.Read(b)
	if n == 0 {
		err = c.explain(err)
	}
	return n, err
}

// Write writes, and fails as Read does: whichever comes first is what is told.
func (c *sshConn) Write(b []byte) (int, error) {
	n, err := c.in.Write(b)
	return n, c.explain(err)
}

// explain makes of an error the words of an ssh that has failed.
func (c *sshConn) explain(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
		return err
	}
	select {
	case <-c.ended:
		if c.err != nil {
			return fmt.Errorf("ssh ended: %w%s", c.err, c.words.Quote())
		}
	case <-time.After(time.Second):
	}
	return err
}

// CloseWrite tells the other side that no more is written.
func (c *sshConn) CloseWrite() error { return c.in.Close() }

// Close ends ssh: by itself, as its input has ended, or by force.
func (c *sshConn) Close() error {
	c.once.Do(func() {
		c.in.Close()
		c.out.Close()
		go func() {
			select {
			case <-c.ended:
			case <-time.After(2 * time.Second):
				c.cmd.Process.Kill()
			}
		}()
	})
	return nil
}

// SetDeadline and its kin set limits of time.
func (c *sshConn) SetDeadline(t time.Time) error {
	return errors.Join(c.out.SetReadDeadline(t), c.in.SetWriteDeadline(t))
}

func (c *sshConn) SetReadDeadline(t time.Time) error  { return c.out.SetReadDeadline(t) }
func (c *sshConn) SetWriteDeadline(t time.Time) error { return c.in.SetWriteDeadline(t) }

// LocalAddr and RemoteAddr have no more than a name.
func (c *sshConn) LocalAddr() net.Addr  { return sshAddr{} }
func (c *sshConn) RemoteAddr() net.Addr { return sshAddr{} }

type sshAddr struct{}

func (sshAddr) Network() string { return "ssh" }
func (sshAddr) String() string  { return "ssh" }
