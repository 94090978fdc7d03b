//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"satchel/aptmirror/deb/debtest"
)

// stagedPackages writes n packages to a spool, with a file of some kilobytes each.
func stagedPackages(t *testing.T, spool string, n int, change func(i int, p *debtest.Package)) []*staged {
	t.Helper()
	var all []*staged
	for i := range n {
		p := debtest.Package{Name: fmt.Sprintf("p%d", i), Compression: ".xz", Data: []tar.Header{debtest.Dir("."), debtest.File("./file")},
			Contents: map[string]string{"./file": strings.Repeat(fmt.Sprint(i), 1000+100*i)}}
		if change != nil {
			change(i, &p)
		}
		s := stagedOf(t, spool, i, p)
		s.ready = make(chan struct{})
		if err := s.readControl(); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func isReady(s *staged) bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// finished is what wait answers; it must answer soon.
func finished(t *testing.T, st *stager) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- st.wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the stager does not end")
		return nil
	}
}

func TestStagerStagesAll(t *testing.T) {
	all := stagedPackages(t, t.TempDir(), 40, nil)
	st := newStager(t.Context(), 1<<40)
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(all)) {
		st.add(all[i])
	}
	st.arrange([][]*staged{all[:7], all[7:]})
	if err := finished(t, st); err != nil {
		t.Fatal(err)
	}
	for i, s := range all {
		if !isReady(s) || len(s.entries) != 2 {
			t.Errorf("%s: ready: %v, %d entries", s.Name, isReady(s), len(s.entries))
			continue
		}
		if got := readAll(t, s.entries[1].content); got != strings.Repeat(fmt.Sprint(i), 1000+100*i) {
			t.Errorf("%s: its file has %d bytes", s.Name, len(got))
		}
		if _, err := os.Lstat(s.path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: its .deb is kept: %v", s.Name, err)
		}
	}
}

// TestStagerOrder: what has not begun when the waves are known goes by them,
// within a wave the largest first.
func TestStagerOrder(t *testing.T) {
	st := &stager{}
	st.changed = sync.NewCond(&st.mu)
	var all []*staged
	for i, size := range []int64{10, 30, 20, 5, 40} {
		s := &staged{Deb: Deb{Name: fmt.Sprint(i)}}
		s.Size = size
		all = append(all, s)
		st.add(s)
	}
	if s, _ := st.next(); s != all[0] {
		t.Errorf("before the waves are known came %s", s.Name)
	}
	st.arrange([][]*staged{{all[3], all[0]}, {all[2], all[4], all[1]}})
	var got []string
	for {
		s, err := st.next()
		if err != nil {
			t.Fatal(err)
		}
		if s == nil {
			break
		}
		got = append(got, s.Name)
	}
	if want := []string{"3", "4", "1", "2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestStagerFails: one broken package ends the work with its name, whatever is
// still to come, and is never ready.
func TestStagerFails(t *testing.T) {
	for _, broken := range []int{0, 13, 29} {
		all := stagedPackages(t, t.TempDir(), 30, nil)
		whole, err := os.ReadFile(all[broken].path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(all[broken].path, whole[:len(whole)-40], 0o600); err != nil {
			t.Fatal(err)
		}
		st := newStager(t.Context(), 1<<40)
		for _, s := range all {
			st.add(s)
		}
		if broken != 13 { // else: the work ends while others may come
			st.arrange([][]*staged{all})
		}
		err = finished(t, st)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("p%d_1_all.deb", broken)) {
			t.Errorf("got %v, want an error that names p%d", err, broken)
		}
		if isReady(all[broken]) {
			t.Errorf("p%d is ready", broken)
		}
		if s, err := st.next(); s != nil || err == nil {
			t.Errorf("after a failure comes %v, %v", s, err)
		}
	}
}

// TestStagerIsCancelled: it ends whether or not all has been added.
func TestStagerIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	st := newStager(ctx, 1<<40)
	cancel()
	if err := finished(t, st); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestStageTruncated: a package that ends early anywhere is refused by its name,
// with nothing said to be ready.
func TestStageTruncated(t *testing.T) {
	for _, compression := range []string{"", ".gz", ".xz", ".zst"} {
		all := stagedPackages(t, t.TempDir(), 1, func(_ int, p *debtest.Package) { p.Compression = compression })
		whole, err := os.ReadFile(all[0].path)
		if err != nil {
			t.Fatal(err)
		}
		for k := 0; k < len(whole)-1; k += 1 + len(whole)/60 { // the last byte may be padding
			s := &staged{Deb: all[0].Deb, path: all[0].path, dir: filepath.Join(t.TempDir(), "0"), ready: make(chan struct{})}
			if err := os.WriteFile(s.path, whole[:k], 0o600); err != nil {
				t.Fatal(err)
			}
			err := s.readControl()
			if err == nil {
				err = s.stage(t.Context(), 1<<40)
			}
			if err == nil || !strings.Contains(err.Error(), "p0_1_all.deb") {
				t.Errorf("%s cut at %d of %d: got %v", compression, k, len(whole), err)
			}
		}
	}
}

// TestStageOnFullDisc fails each write in turn, for want of room, and tries again.
func TestStageOnFullDisc(t *testing.T) {
	needRoot(t)
	for pages := 1; ; pages++ {
		dir := t.TempDir()
		all := stagedPackages(t, t.TempDir(), 1, func(_ int, p *debtest.Package) {
			p.Data = append(p.Data, debtest.File("./second"))
			p.Contents["./second"] = strings.Repeat("y", 20<<10)
		})
		if err := unix.Mount("full", dir, "tmpfs", 0, fmt.Sprintf("size=%d", pages*os.Getpagesize())); err != nil {
			skip(t, "cannot mount: "+err.Error())
		}
		s := all[0]
		s.dir = filepath.Join(dir, "0")
		err := s.stage(t.Context(), 1<<40)
		if e := unix.Unmount(dir, unix.MNT_DETACH); e != nil { // at once: a file left open would be the stager's fault
			t.Error(e)
		}
		if err == nil {
			if pages < 3 {
				t.Errorf("%d pages were enough", pages)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "p0_1_all.deb") {
			t.Fatalf("with %d pages: got %v", pages, err)
		}
		if _, err := os.Lstat(s.path); err != nil {
			t.Fatalf("with %d pages the package is gone: %v", pages, err)
		}
		if pages > 20 {
			t.Fatal("it never fits")
		}
		again := &staged{Deb: s.Deb, path: s.path, dir: filepath.Join(t.TempDir(), "0"), ready: make(chan struct{})}
		if err := errors.Join(again.readControl(), again.stage(t.Context(), 1<<40)); err != nil {
			t.Fatalf("again: %v", err)
		}
	}
}

// TestStagedAttributes: while they lie aside, files have their mode and time
// already, where nobody but root can get at them; and a set-id bit survives that
// a file changes hands on its way to its place.
func TestStagedAttributes(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	tree := newTree(root)
	if err := initDatabase(tree, "amd64", nil); err != nil {
		t.Fatal(err)
	}
	owned := func(name string, mode int64, uid, gid int) tar.Header {
		return with(debtest.File(name), func(h *tar.Header) { h.Mode, h.Uid, h.Gid, h.Uname, h.Gname = mode, uid, gid, "", "" })
	}
	p := debtest.Package{Name: "p0", Data: []tar.Header{debtest.Dir("."), owned("./root", 0o4755, 0, 0), owned("./other", 0o6755, 4242, 4243),
		owned("./secret", 0o600, 4242, 0), owned("./open", 0o666, 0, 0),
		with(owned("./null", 0o666, 0, 4243), func(h *tar.Header) { h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, 1, 3 })}}
	s := stagedOf(t, t.TempDir(), 0, p)
	if err := errors.Join(s.readControl(), s.stage(t.Context(), 1_500_000_000)); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(s.dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("where files lie aside: %v, %v", st.Mode(), err)
	}
	pl := newPlacer(tree)
	if err := pl.place(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"root": "104755 0 0 1500000000", "other": "106755 4242 4243 1500000000", "secret": "100600 4242 0 1500000000",
		"open": "100666 0 0 1500000000", "null": "20666 0 4243 1500000000",
	} {
		var st syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(root, name), &st); err != nil {
			t.Error(err)
		} else if got := fmt.Sprintf("%o %d %d %d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestGiveWay: a stager's thread is behind all others, and nothing else is.
func TestGiveWay(t *testing.T) {
	niceOf := func() int { // of the caller's thread; the system call answers 20 - nice
		n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			t.Error(err)
		}
		return 20 - n
	}
	before, behind := niceOf(), make(chan int)
	go func() {
		giveWay()
		behind <- niceOf()
	}()
	if got := <-behind; got != min(before+5, 19) {
		t.Errorf("the thread's nice value is %d, where others have %d", got, before)
	}
	for range 100 { // whatever thread this goes on
		after := make(chan int)
		go func() { after <- niceOf() }()
		if got := <-after; got != before {
			t.Fatalf("another's nice value is %d, was %d", got, before)
		}
	}
}

// TestStream: each package once, those of the base system first.
func TestStream(t *testing.T) {
	p := Prepare{Packages: []Deb{{Name: "a"}, {Name: "b", Base: true}, {Name: "c"}, {Name: "d", Base: true}}}
	if got := p.Stream(); !slices.Equal(got, []int{1, 3, 0, 2}) {
		t.Errorf("got %v", got)
	}
}
