package enginetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// streamTests are about the init's standard streams and its end.
var streamTests = map[string]func(*testing.T, *suite){
	"echo": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.send(wire.Request{Op: "echo"})
		const size = 100 << 20
		sent := make(chan error, 1)
		h := sha256.New()
		go func() {
			_, err := io.Copy(c.Stdin(), io.TeeReader(io.LimitReader(noise(1), size), h))
			if err == nil {
				err = c.Stdin().Close()
			}
			sent <- err
		}()
		got := sha256.New()
		n, err := io.Copy(got, c.out)
		if serr := <-sent; err != nil || serr != nil || n != size {
			t.Fatalf("received %d bytes of %d, %v; sending: %v", n, size, err, serr)
		}
		if g, w := hex.EncodeToString(got.Sum(nil)), hex.EncodeToString(h.Sum(nil)); g != w {
			t.Errorf("received sha256 %s, want %s", g, w)
		}
		if code, err := c.Wait(); code != 0 || err != nil {
			t.Errorf("Wait: %d, %v", code, err)
		}
	},

	"half-close": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.send(wire.Request{Op: "sink"})
		data := []byte("some\x00bytes\r\n\xff")
		if _, err := c.Stdin().Write(data); err != nil {
			t.Fatal(err)
		}
		if err := c.Stdin().Close(); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		got, err := io.ReadAll(c.out)
		if want := fmt.Sprintf("%d %x <nil>\n", len(data), sum); string(got) != want || err != nil {
			t.Errorf("after the end of input: %q, %v; want %q", got, err, want)
		}
	},

	"exit-code": func(t *testing.T, s *suite) {
		e := s.engine(t)
		for _, want := range []int{1, 3, 255} {
			c := s.start(t, e, runner.Container{})
			c.send(wire.Request{Op: "exit", N: int64(want)})
			code, err := c.Wait()
			if code != want || err == nil {
				t.Errorf("Wait: %d, %v; want %d and an error", code, err, want)
			}
			if again, _ := c.Wait(); again != want {
				t.Errorf("second Wait: %d, want %d", again, want)
			}
		}
	},

	"signal": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.send(wire.Request{Op: "crash"})
		if code, err := c.Wait(); code != 128+11 || err == nil {
			t.Errorf("Wait: %d, %v; want 139 and an error", code, err)
		}
	},

	"last-words": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.must(wire.Request{Op: "stderr", Data: bytes.Repeat([]byte("chatter\n"), 30000)})
		c.must(wire.Request{Op: "stderr", Data: []byte("no such \x1b[31mluck\n")})
		c.send(wire.Request{Op: "exit", N: 7})
		code, err := c.Wait()
		if code != 7 || err == nil {
			t.Fatalf("Wait: %d, %v", code, err)
		}
		if text := err.Error(); !strings.Contains(text, "luck") || strings.Contains(text, "\x1b") || len(text) > 70<<10 {
			t.Errorf("error of %d bytes that ends in %.200q; want the last 64 KiB, with nothing for a terminal to obey", len(text), text[max(0, len(text)-200):])
		}
	},

	// Nobody reads standard error but the engine: it must not block the init.
	"stderr-flood": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		for range 20 {
			c.must(wire.Request{Op: "stderr", Data: bytes.Repeat([]byte("x"), 1<<20)})
		}
		c.end()
	},

	"flood": func(t *testing.T, s *suite) {
		size := int64(64 << 20)
		if os.Getenv("SATCHEL_FULL") == "1" {
			size = 1 << 30
		}
		c := s.one(t, runner.Container{})
		c.send(wire.Request{Op: "flood", N: size})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := io.Copy(io.Discard, c.out)
		runtime.ReadMemStats(&after)
		if n != size || err != nil {
			t.Errorf("received %d bytes of %d, %v", n, size, err)
		}
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 32<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
	},

	// What is written to an init that does not read cannot hang Close.
	"close-while-writing": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.send(wire.Request{Op: "deaf"})
		sent := make(chan error, 1)
		go func() { _, err := io.Copy(c.Stdin(), noise(2)); sent <- err }()
		time.Sleep(200 * time.Millisecond)
		within(t, 30*time.Second, "Close", func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := <-sent; err == nil {
				t.Error("writing to a closed container went well")
			}
			c.Wait()
		})
	},

	"write-after-end": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.send(wire.Request{Op: "exit", N: 0})
		c.Wait()
		within(t, 30*time.Second, "writing", func() {
			if _, err := io.Copy(c.Stdin(), io.LimitReader(noise(3), 64<<20)); err == nil {
				t.Error("writing to an init that has ended went well")
			}
		})
	},
}

// noise is an endless stream of bytes that do not compress.
func noise(seed byte) io.Reader {
	var s [32]byte
	s[0] = seed
	return rand.NewChaCha8(s)
}
