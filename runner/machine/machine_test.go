package machine

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What is said of a file system is what df says.
func TestFreeAgainstDf(t *testing.T) {
	dir := t.TempDir()
	f, at, err := FreeAt(filepath.Join(dir, "not", "there", "yet"))
	if err != nil || at != dir {
		t.Fatalf("got %q, %v", at, err)
	}
	out, err := exec.Command("df", "-B1", "--output=avail,iavail,fstype", dir).Output()
	if err != nil {
		t.Skip(err)
	}
	fields := strings.Fields(strings.Split(string(out), "\n")[1])
	df, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	// Others write meanwhile.
	if d := df - f.Bytes; d < -1<<30 || d > 1<<30 || f.Kind != fields[2] {
		t.Errorf("got %+v, df says %q", f, fields)
	}
}

func TestParseMemory(t *testing.T) {
	m, err := parseMemory(strings.NewReader("MemTotal:       2048 kB\nMemFree:  1 kB\nMemAvailable:   1024 kB\nSwapTotal:  7 kB\nHugePages_Total:       0\n"))
	if want := (Memory{2 << 20, 1 << 20, 7 << 10}); err != nil || m != want {
		t.Errorf("got %+v, %v; want %+v", m, err, want)
	}
	for _, text := range []string{"", "MemTotal: 1 kB", "MemTotal: -1 kB\nMemAvailable: 9 kB", "MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB"} {
		if m, err := parseMemory(strings.NewReader(text)); err == nil {
			t.Errorf("%q: %+v", text, m)
		}
	}
}

// Whether 32-bit programs run is what the kernel says of another one, if there is one.
func TestRun32(t *testing.T) {
	err := run32()
	t.Logf("32-bit programs here: %v", err)
	if err != nil && !strings.Contains(err.Error(), "exec format error") {
		t.Error(err)
	}
}

func TestWants(t *testing.T) {
	m, err := ReadMemory()
	if err != nil {
		t.Skip(err)
	}
	if _, err := (Wants{Memory: 1 << 20}).tryMemory(t.Context()); err != nil {
		t.Errorf("a MiB: %v", err)
	}
	if _, err := (Wants{Memory: m.Total + 1}).tryMemory(t.Context()); err == nil || !strings.Contains(err.Error(), "-m ") {
		t.Errorf("more than there is: %v", err)
	}
}
