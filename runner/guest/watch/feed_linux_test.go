package watch

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// feedScript says "at N" at the end of its line N, and then waits until it is
// answered. Two lines are the input of a command, not bash's.
const feedScript = `at() { echo "at $1" >&3; read -r _ <&4; }
at 2
at 3; : and more
for i in 1; do
  at 6 # the loop ends there
done
cat <<END >/dev/null; at 9
text
END

: \
  $(at 12)
read -r; read -r; at 15
eaten
eaten as well
( at 16 ) & wait
` + "at 17"

// TestFeed stops bash in the middle of its commands, and asks.
func TestFeed(t *testing.T) {
	// The long comment does not go into the pipe at once.
	for _, prefix := range []int{0, 1, 100_000} {
		long := strings.Repeat(": "+strings.Repeat("x", 997)+"\n", prefix/1000) + strings.Repeat("\n", prefix%1000)
		f, err := NewFeed(long + feedScript)
		if err != nil {
			t.Fatal(err)
		}
		before := strings.Count(long, "\n")
		said, say, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		wait, proceed, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash")
		cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = f.Stdin(), os.Stderr, []*os.File{say, wait}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		say.Close()
		n := 0
		for lines := bufio.NewScanner(said); lines.Scan(); n++ {
			var want int
			if _, err := fmt.Sscanf(lines.Text(), "at %d", &want); err != nil {
				t.Fatal(err)
			}
			if got := f.Line() - before; got != want {
				t.Errorf("after %d lines: line %d, want %d", before, got, want)
			}
			fmt.Fprintln(proceed)
		}
		if err := cmd.Wait(); err != nil || n != 8 {
			t.Errorf("bash said %d lines: %v", n, err)
		}
		f.Close()
	}
}

// TestFeedIsLeft: a shell that ends early, or never reads, holds nobody up.
func TestFeedIsLeft(t *testing.T) {
	f, err := NewFeed(strings.Repeat("x", 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("true")
	cmd.Stdin = f.Stdin()
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got := f.Line(); got != 0 {
		t.Errorf("line %d of a script that nobody has read", got)
	}
	f.Close()
}
