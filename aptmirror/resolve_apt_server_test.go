package aptmirror

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// aptServer is an apt-get -s install that answers many questions: it opens the
// package cache once. See testdata/aptserver.cc.
type aptServer struct {
	cmd   *exec.Cmd
	ask   io.WriteCloser
	reply *bufio.Scanner
}

// aptServerLibrary is what scripts/apt-server builds; "" if it has not.
func aptServerLibrary() string {
	name, err := filepath.Abs(filepath.Join("..", ".work", "aptserver.so"))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(name); err != nil {
		return ""
	}
	return name
}

// serve starts a server in the private world; nil if none can be had. It opens
// the cache by installing something, which must exist.
func (w *aptWorld) serve(t testing.TB, options ...string) *aptServer {
	t.Helper()
	library := aptServerLibrary()
	if library == "" {
		return nil
	}
	args := append([]string{"-s", "-y", "-qq", "--no-install-recommends"}, options...)
	s := &aptServer{cmd: exec.Command("apt-get", append(args, "install", w.packages[0].Name)...)}
	s.cmd.Env = append(w.env(), "LD_PRELOAD="+library)
	s.cmd.Stderr = os.Stderr
	var err error
	if s.ask, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.reply = bufio.NewScanner(out)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *aptServer) close(t testing.TB) {
	s.ask.Close()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the apt server failed: %v", err)
	}
}

// answer is what an install of the words would change, as for aptAnswer.
func (s *aptServer) answer(wishes []string) (set []string, refused bool, err error) {
	if _, err := fmt.Fprintln(s.ask, strings.Join(wishes, " ")); err != nil {
		return nil, false, err
	}
	for s.reply.Scan() {
		line := s.reply.Text()
		if status, ok := strings.CutPrefix(line, "= "); ok {
			slices.Sort(set)
			if status != "0" && status != "100" {
				return nil, false, fmt.Errorf("apt-get exited with %s", status)
			}
			return set, status != "0", nil
		}
		set = append(set, line)
	}
	return nil, false, fmt.Errorf("the apt server is gone: %w", s.reply.Err())
}

// TestAptServer: what one apt-get answers to many questions is what apt-get -s
// answers to each.
func TestAptServer(t *testing.T) {
	w := newAptWorld(t, nil, nil, mainIndex(t))
	s := w.serve(t)
	if s == nil {
		t.Log("scripts/apt-server has not been run: apt-get is started for each question")
		return
	}
	defer s.close(t)
	lists := append(randomLists(w.packages, 41, listCount(1, 20)), []string{"exim4", "postfix"}, []string{"no-such-package"}, []string{"gcc"})
	for _, wishes := range lists {
		want, no, out := w.aptAnswer(append([]string{"install"}, wishes...)...)
		got, refused, err := s.answer(wishes)
		if err != nil {
			t.Fatal(err)
		}
		if refused != no || !slices.Equal(got, want) {
			t.Errorf("%v: refused %t, want %t: %v\n%s", wishes, refused, no, difference(want, got), lastLines(out, 3))
		}
	}
}
