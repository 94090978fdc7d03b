package fetch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"satchel/manifest"
)

// raw answers every request with what say writes, byte for byte.
func raw(t *testing.T, say func(w io.Writer)) (url string, asked *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked = new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					asked.Add(1)
					say(conn)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), asked
}

// endless writes s until nobody listens.
func endless(w io.Writer, s string) {
	b := []byte(strings.Repeat(s, 1+4096/len(s)))
	for {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

// Heads without an end are cut off at their bound, and cost neither memory nor
// time; what is merely talkative is heard to the end.
func TestHostileHeads(t *testing.T) {
	a := content(1, 50_000)
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + string(a)
	for name, tt := range map[string]struct {
		say  func(w io.Writer)
		want string // "": it works
	}{
		"endless fields":    {func(w io.Writer) { io.WriteString(w, "HTTP/1.1 200 OK\r\n"); endless(w, "A: b\r\n") }, "headers exceeded"},
		"one endless field": {func(w io.Writer) { io.WriteString(w, "HTTP/1.1 200 OK\r\nA: "); endless(w, "b") }, "headers exceeded"},
		"endless status":    {func(w io.Writer) { io.WriteString(w, "HTTP/1.1 200 "); endless(w, "b") }, "headers exceeded"},
		"endless 1xx":       {func(w io.Writer) { endless(w, "HTTP/1.1 103 Early Hints\r\n\r\n") }, "headers exceeded"},
		"hundreds of 1xx":   {func(w io.Writer) { io.WriteString(w, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 300)+ok) }, ""},
		"101":               {func(w io.Writer) { io.WriteString(w, "HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n"); endless(w, "x") }, "answers 101"},
		"no HTTP":           {func(w io.Writer) { endless(w, "\x00\xff\n") }, "malformed HTTP"},
		"two lengths":       {func(w io.Writer) { io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"+ok[17:]) }, "Content-Length"},
		"negative length":   {func(w io.Writer) { io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n") }, "Content-Length"},
		"endless chunk head": {func(w io.Writer) {
			io.WriteString(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;")
			endless(w, "x")
		}, "too long"},
		"endless trailer": {func(w io.Writer) {
			fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc350\r\n%s\r\n0\r\n", a)
			endless(w, "A: b\r\n")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			url, asked := raw(t, tt.say)
			o := quick()
			o.Retries = 2
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			m := newMemory()
			err := newClient(t, o).Fetch(context.Background(), m, []Job{{"a", []string{url}, blobOf(a)}}, nil)
			runtime.ReadMemStats(&after)
			if mem := after.TotalAlloc - before.TotalAlloc; mem > 16<<20 || time.Since(began) > 4*time.Second || asked.Load() > 3 {
				t.Errorf("it cost %d bytes, %v and %d requests", mem, time.Since(began), asked.Load())
			}
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				want(t, m, a)
				return
			}
			wantMissing(t, err)
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "name another mirror") {
				t.Errorf("got %v, want %q and the way out", err, tt.want)
			}
		})
	}
}

// Whoever says no, or sends elsewhere, and then does not end what he says, does
// not hold anybody up.
func TestUnendingExplanation(t *testing.T) {
	a := content(1, 1000)
	good := serve(t, serveFile(a))
	hang := make(chan struct{})
	defer close(hang)
	for head, n := range map[string]int{"404 Not Found": 1, "206 Partial Content": 1, "302 Found\r\nLocation: " + good: 0} {
		t.Run(head[:3], func(t *testing.T) {
			url, _ := raw(t, func(w io.Writer) {
				io.WriteString(w, "HTTP/1.1 "+head+"\r\nContent-Length: 9999\r\n\r\nsorry")
				<-hang
			})
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			err := newClient(t, quick()).Fetch(ctx, newMemory(), []Job{{"a", []string{url}, blobOf(a)}}, nil)
			if n == 0 && err != nil {
				t.Error(err)
			}
			if n > 0 && !errors.As(wantMissing(t, err).Tried[0].Err, new(*StatusError)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// compressed is what a server makes of b that compresses everything.
func compressed(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

// Compression that nobody asked for is not undone (a small answer could become
// a huge one) but named, and the next mirror is asked; a .gz that is called
// gzip is itself.
func TestUnaskedCompression(t *testing.T) {
	for name, a := range map[string][]byte{"shorter": bytes.Repeat([]byte("a"), 100_000), "longer": content(1, 1000)} {
		for _, chunked := range []bool{true, false} {
			t.Run(fmt.Sprint(name, chunked), func(t *testing.T) {
				var rec record
				h := rec.wrap(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Encoding", "gzip")
					z := compressed(a)
					if !chunked {
						w.Header().Set("Content-Length", strconv.Itoa(len(z)))
					}
					w.(http.Flusher).Flush()
					w.Write(z)
				})
				url, good := serve(t, h), serve(t, serveFile(a))
				c := newClient(t, quick())
				f := wantMissing(t, c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{url}, blobOf(a)}}, nil))
				if err := f.Tried[0].Err; !errors.As(err, new(*EncodingError)) || !errors.Is(err, manifest.ErrDigest) || rec.count() != 1 {
					t.Errorf("got %v after %d requests", err, rec.count())
				}
				m := newMemory()
				if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url, good}, blobOf(a)}}, nil); err != nil {
					t.Error(err)
				}
				want(t, m, a)
				if _, _, err := c.Get(context.Background(), []string{url + "/InRelease"}, 1<<20, Conditional{}); !errors.As(err, new(*EncodingError)) {
					t.Errorf("Get: %v", err)
				}
				z := compressed(a)
				if b, _, err := c.Get(context.Background(), []string{url + "/Packages.gz"}, 1<<20, Conditional{}); err != nil || !bytes.Equal(b, z) {
					t.Errorf("Get of a .gz: %d bytes, %v", len(b), err)
				}
				if err := c.Fetch(context.Background(), m, []Job{{"z", []string{url + "/Packages.gz"}, blobOf(z)}}, nil); err != nil {
					t.Errorf("a .gz: %v", err)
				}
			})
		}
	}
}

// A certificate that does not fit ends that address at the first try, by a
// name, and the next mirror is asked.
func TestBadCertificates(t *testing.T) {
	a := content(1, 1000)
	var rec record
	s := httptest.NewUnstartedServer(rec.wrap(serveFile(a)))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	good := serve(t, serveFile(a))
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for name, tt := range map[string]struct {
		conf *tls.Config
		want string
	}{
		"self-signed": {nil, "unknown authority"},
		"wrong name":  {&tls.Config{RootCAs: roots, ServerName: "mirror.invalid"}, "not mirror.invalid"},
		"expired":     {&tls.Config{RootCAs: roots, Time: func() time.Time { return s.Certificate().NotAfter.Add(time.Hour) }}, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &fakeClock{}
			c := newClient(t, Options{Clock: clock})
			c.own.TLSClientConfig = tt.conf
			err := c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{s.URL}, blobOf(a)}}, nil)
			wantMissing(t, err)
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "name another mirror") || len(clock.sleeps) > 0 {
				t.Errorf("got %v after pauses %v, want %q at once", err, clock.sleeps, tt.want)
			}
			m := newMemory()
			if err := c.Fetch(context.Background(), m, []Job{{"a", []string{s.URL, good}, blobOf(a)}}, nil); err != nil {
				t.Error(err)
			}
			want(t, m, a)
		})
	}
	if rec.count() != 0 {
		t.Errorf("%d requests were sent to a server that nobody vouches for", rec.count())
	}
}

// nameServer is a resolver whose only server, on loopback, answers all with an
// error code.
func nameServer(t *testing.T, code byte) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			end := 12 // the question's: labels, then type and class
			for end < n && b[end] != 0 {
				end += int(b[end]) + 1
			}
			end = min(end+5, n)
			b[2], b[3] = b[2]|0x80, 0x80|code
			clear(b[6:12]) // no answers, no more
			pc.WriteTo(b[:end], from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// A name that does not exist is not asked for again; a name server in trouble is.
func TestNameServers(t *testing.T) {
	a := content(1, 1000)
	good := serve(t, serveFile(a))
	for code, pauses := range map[byte]bool{3: false, 2: true} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			clock := &fakeClock{}
			c := newClient(t, Options{Clock: clock, Retries: 2})
			c.own.DialContext = (&net.Dialer{Resolver: nameServer(t, code), Timeout: 5 * time.Second}).DialContext
			url := "http://mirror.invalid./a"
			err := c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{url}, blobOf(a)}}, nil)
			dns := (*net.DNSError)(nil)
			if !errors.As(wantMissing(t, err).Tried[0].Err, &dns) || dns.IsNotFound == pauses || len(clock.sleeps) > 0 != pauses {
				t.Errorf("got %v after pauses %v", err, clock.sleeps)
			}
			m := newMemory()
			if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url, good}, blobOf(a)}}, nil); err != nil {
				t.Error(err)
			}
			want(t, m, a)
		})
	}
}

// A server that lies about which bytes it sends costs a few requests and is
// left; the bytes come from the next.
func TestLyingContentRange(t *testing.T) {
	a := content(1, 100_000)
	good := serve(t, serveFile(a))
	for name, tt := range map[string]struct {
		said string
		body []byte
	}{
		"other bytes than said":   {"bytes 40000-99999/100000", a[:60_000]},
		"fewer than said":         {"bytes 40000-99999/100000", a[40_000:40_010]},
		"more than said":          {"bytes 40000-40001/100000", append(bytes.Clone(a[40_000:]), a...)},
		"from the start, a byte":  {"bytes 0-99999/100000", a[:1]},
		"beyond the end":          {"bytes 40000-9223372036854775807/*", content(2, 200_000)},
		"huge numbers":            {"bytes 9223372036854775806-9223372036854775807/*", a},
		"more than numbers hold":  {"bytes 0-99999999999999999999/999999999999999999999", a},
		"a longer file":           {"bytes 40000-99999/100001", a[40_000:]},
		"an end before the start": {"bytes 99999-40000/100000", a[40_000:]},
	} {
		t.Run(name, func(t *testing.T) {
			var rec record
			url := serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Range", tt.said)
				w.WriteHeader(206)
				w.Write(tt.body)
			}))
			m := newMemory()
			m.parts[blobOf(a)] = a[:40_000]
			c := newClient(t, quick())
			if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url, good}, blobOf(a)}}, nil); err != nil {
				t.Fatal(err)
			}
			want(t, m, a)
			if rec.count() > 6 {
				t.Errorf("the liar was asked %d times", rec.count())
			}
		})
	}
}

// A server that brings much, but always the same bytes, does not go on for
// ever: neither one that knows no ranges nor one that has them begun anew.
func TestSameBytesAgainAndAgain(t *testing.T) {
	a := content(1, 3*worthwhile)
	for name, said := range map[string]string{"no ranges": "", "a later range": fmt.Sprintf("bytes %d-%d/%d", len(a)-1, len(a)-1, len(a))} {
		t.Run(name, func(t *testing.T) {
			var rec record
			url := serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") != "" && said != "" {
					w.Header().Set("Content-Range", said)
					w.WriteHeader(206)
					return
				}
				breakOff(t, w, a, worthwhile+300_000)
			}))
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			m := newMemory()
			f := wantMissing(t, newClient(t, quick()).Fetch(ctx, m, []Job{{"a", []string{url}, blobOf(a)}}, nil))
			if n := rec.count(); n > 12 {
				t.Errorf("asked %d times: %v", n, f.Tried)
			}
		})
	}
}
