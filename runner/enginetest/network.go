package enginetest

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"satchel/runner/enginetest/wire"
)

// networkTests are about the network that there is not.
var networkTests = map[string]func(*testing.T, *suite){
	"only-lo": func(t *testing.T, s *suite) {
		c := s.common(t)
		if got := c.must(wire.Request{Op: "interfaces"}).Names; len(got) != 1 || got[0] != "lo [127.0.0.1/8] true" {
			t.Errorf("interfaces %q, want lo alone, with 127.0.0.1/8, up", got)
		}
		for _, path := range []string{"/proc/net/route", "/proc/net/ipv6_route"} {
			for i, line := range strings.Split(strings.TrimSpace(c.read(path)), "\n") {
				if f := strings.Fields(line); len(f) > 0 && !(i == 0 && f[0] == "Iface") && f[len(f)-1] != "lo" {
					t.Errorf("%s: %s", path, line)
				}
			}
		}
	},

	// A server of the host, on each of its addresses, cannot be reached.
	"host-listener": func(t *testing.T, s *suite) {
		l, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Skip("no listening here:", err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		c := s.common(t)
		targets := []string{"127.0.0.1", "127.0.1.1"}
		addrs, _ := net.InterfaceAddrs()
		for _, a := range addrs {
			if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil {
				targets = append(targets, ip.String())
			}
		}
		for _, ip := range targets {
			r := c.ask(wire.Request{Op: "connect", Path: "tcp", To: net.JoinHostPort(ip, port)})
			s.saw("connect to a server of the host", r)
			if r.Error == "" {
				t.Errorf("the host's %s:%s answers", ip, port)
			}
		}
	},

	"outside": func(t *testing.T, s *suite) {
		c := s.common(t)
		for _, to := range []string{"8.8.8.8:53", "192.168.0.1:80", "169.254.169.254:80", "[2001:4860:4860::8888]:53", "[fe80::1%lo]:80", "[::1]:80"} {
			begin := time.Now()
			for _, q := range []wire.Request{{Op: "connect", Path: "tcp", To: to}, {Op: "sendto", To: to}} {
				r := c.ask(q)
				s.saw(q.Op+" "+to, r)
				if r.Error == "" || time.Since(begin) > 2*time.Second {
					t.Errorf("%s %s: %q after %v, want an error at once", q.Op, to, r.Error, time.Since(begin))
				}
			}
			if r := c.ask(wire.Request{Op: "connect", Path: "tcp", To: to}); strings.HasPrefix(to, "8.") && r.Errno != int(unix.ENETUNREACH) {
				t.Errorf("connect %s: %s, want network is unreachable", to, r.Error)
			}
		}
	},

	// Broadcast and multicast do not leave either.
	"multicast": func(t *testing.T, s *suite) {
		c := s.common(t)
		for _, to := range []string{"224.0.0.1:9", "255.255.255.255:9"} {
			r := c.ask(wire.Request{Op: "sendto", To: to})
			s.saw("sendto "+to, r)
			if r.Error == "" {
				t.Errorf("sent to %s", to)
			}
		}
	},

	"abstract-socket": func(t *testing.T, s *suite) {
		name := fmt.Sprintf("@satchel-test-%d", time.Now().UnixNano())
		l, err := net.Listen("unix", name)
		if err != nil {
			t.Skip("no abstract sockets here:", err)
		}
		defer l.Close()
		c := s.common(t)
		r := c.ask(wire.Request{Op: "connect", Path: "unix", To: name})
		s.saw("connect to an abstract socket of the host", r)
		if r.Error == "" {
			t.Error("the host's abstract socket answers")
		}
		for line := range strings.Lines(c.read("/proc/net/unix")) {
			if strings.Contains(line, "@") {
				t.Errorf("visible: %s", line)
			}
		}
	},

	"families": func(t *testing.T, s *suite) {
		c := s.common(t)
		socket := func(family, kind, protocol int64) wire.Reply {
			return c.ask(syscallOf(unix.SYS_SOCKET, family, kind, protocol))
		}
		for family := int64(0); family < 50; family++ {
			switch family {
			case unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK:
				continue
			}
			for _, kind := range []int64{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET} {
				r := socket(family, kind, 0)
				s.saw(familyName(family), r)
				if r.Error == "" && !(family == unix.AF_ALG && kind == unix.SOCK_SEQPACKET) { // the kernel's ciphers: no network
					t.Errorf("a socket of family %d, type %d, can be made", family, kind)
				}
			}
		}
		for _, raw := range []int64{unix.AF_INET, unix.AF_INET6} {
			r := socket(raw, unix.SOCK_RAW, unix.IPPROTO_ICMP)
			s.saw(map[int64]string{unix.AF_INET: "raw socket, inet", unix.AF_INET6: "raw socket, inet6"}[raw], r)
			if r.Errno != int(unix.EPERM) {
				t.Errorf("a raw socket of family %d: %q, want not permitted", raw, r.Error)
			}
		}
		if r := socket(unix.AF_INET, unix.SOCK_STREAM, 0); r.Error != "" {
			t.Errorf("an ordinary socket: %s", r.Error)
		}
	},

	// The interfaces cannot be changed: there is no right to.
	"configure": func(t *testing.T, s *suite) {
		c := s.common(t)
		fd := c.must(syscallOf(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, 0)).N
		ifreq := make([]byte, 40)
		copy(ifreq, "lo")
		r := c.ask(syscallOf(unix.SYS_IOCTL, fd, unix.SIOCSIFFLAGS, ifreq))
		s.saw("take lo down", r)
		if r.Errno != int(unix.EPERM) {
			t.Errorf("taking lo down: %q, want not permitted", r.Error)
		}
		c.ask(wire.Request{Op: "mknod", Path: "/tun", Mode: typeChr | 0o600, N: 10<<8 | 200})
		if r := c.ask(syscallOf(unix.SYS_OPENAT, unix.AT_FDCWD, "/tun", unix.O_RDWR, 0)); r.Error == "" { // Docker lets it be opened
			copy(ifreq, "tun0")
			ifreq[16] = 1 // IFF_TUN
			if r := c.ask(syscallOf(unix.SYS_IOCTL, r.N, unix.TUNSETIFF, ifreq)); r.Errno != int(unix.EPERM) {
				t.Errorf("making a tunnel: %q, want not permitted", r.Error)
			}
		}
		// RTM_NEWLINK of a dummy interface.
		nl := c.must(syscallOf(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)).N
		message := append([]byte{52, 0, 0, 0, 16, 0, 5, 6, 1, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 16)...)
		message = append(message, []byte{20, 0, 18, 0, 9, 0, 1, 0, 'd', 'u', 'm', 'm', 'y', 0, 0, 0, 0, 0, 0, 0}...)
		message[0] = byte(len(message))
		c.must(syscallOf(unix.SYS_SENDTO, nl, message, int64(len(message)), 0, 0, 0))
		if got := c.must(wire.Request{Op: "interfaces"}).Names; len(got) != 1 {
			t.Errorf("interfaces %q", got)
		}
	},
}

// syscallOf asks for a system call; args are int64, int or []byte.
func syscallOf(nr int64, args ...any) wire.Request {
	q := wire.Request{Op: "syscall", N: nr}
	for _, a := range args {
		switch a := a.(type) {
		case int:
			q.Args = append(q.Args, wire.Arg{Int: int64(a)})
		case int64:
			q.Args = append(q.Args, wire.Arg{Int: a})
		case []byte:
			q.Args = append(q.Args, wire.Arg{Bytes: a})
		case string:
			q.Args = append(q.Args, wire.Arg{Bytes: append([]byte(a), 0)})
		default:
			panic(fmt.Sprintf("argument %T", a))
		}
	}
	return q
}
