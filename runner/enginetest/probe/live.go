//go:build linux

package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"satchel/runner/enginetest/wire"
)

// guestWord has the probe be satchel's guest.
const guestWord = "as-guest"

// stream does the requests that take the streams over, and tells whether q was one.
func stream(q wire.Request, in *bufio.Reader) bool {
	switch q.Op {
	case "echo": // until the end of the input
		if _, err := io.Copy(os.Stdout, in); err != nil {
			fmt.Fprintln(os.Stderr, "probe: echo:", err)
			os.Exit(1)
		}
	case "flood": // N bytes, whatever comes in
		block := make([]byte, 1<<20)
		for left := q.N; left > 0; left -= int64(len(block)) {
			if left < int64(len(block)) {
				block = block[:left]
			}
			if _, err := os.Stdout.Write(block); err != nil {
				os.Exit(1)
			}
		}
	case "sink": // the sum of all input, then a line
		h := sha256.New()
		n, err := io.Copy(h, in)
		fmt.Printf("%d %s %v\n", n, hex.EncodeToString(h.Sum(nil)), err)
	case "stubborn": // ignores every signal it can, and stays
		signal.Ignore()
		for s := unix.Signal(1); s < 65; s++ {
			signal.Ignore(s)
		}
		fmt.Println("stubborn")
		time.Sleep(time.Hour)
	case "flicker": // says so, forever, a line each 10 ms
		for {
			fmt.Println("here")
			time.Sleep(10 * time.Millisecond)
		}
	case "deaf": // reads nothing more
		fmt.Println("deaf")
		time.Sleep(time.Hour)
	case "guest": // satchel's own, from here on
		fmt.Println("{}")
		err := unix.Exec("/proc/self/exe", []string{os.Args[0], "guest", guestWord}, os.Environ())
		fmt.Fprintln(os.Stderr, "probe: guest:", err)
		os.Exit(1)
	default:
		return false
	}
	return true
}

// spawn starts n children that sleep, or as many as it may.
func spawn(n int64, mark string) (started int64, err error) {
	for started = 0; started < n; started++ {
		c := exec.Command("/proc/self/exe", "guest", "child", mark)
		c.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			return started, err
		}
	}
	return started, nil
}

// grab takes n bytes of memory and uses them all; it returns how many it got.
func grab(n int64) int64 {
	b, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return 0
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	return int64(len(b))
}

// burn keeps four threads busy for so long, and returns the processor time that
// all took.
func burn(long time.Duration) int64 {
	var wg sync.WaitGroup
	end := time.Now().Add(long)
	for range 4 {
		wg.Go(func() {
			runtime.LockOSThread()
			for time.Now().Before(end) {
			}
		})
	}
	wg.Wait()
	var used unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano()
}

// crash dies of a memory fault that nothing catches.
func crash() {
	var none [4]uint64
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSEGV), uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0)
	address := uintptr(8)
	**(**byte)(unsafe.Pointer(&address)) = 1
}
