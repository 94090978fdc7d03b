package runner

import (
	"strings"
	"testing"
)

func TestShortage(t *testing.T) {
	o := Options{Jobs: 2, Memory: 300}
	for _, c := range []struct {
		e    Exhausted
		tail string
		want []string
	}{
		{Exhausted{}, "make: *** [all] Error 1", nil},
		{Exhausted{Memory: true}, "", []string{"memory ran out", "300 MiB", "-m"}},
		{Exhausted{}, "cc1plus: out of memory allocating 5 bytes", []string{"speaks of memory", "300 MiB"}},
		{Exhausted{Processes: true}, "fork: retry: Resource temporarily unavailable", []string{"refused", "4096"}},
		{Exhausted{}, "fork: retry: Resource temporarily unavailable", []string{"speaks of", "4096"}},
	} {
		got := c.e.shortage(o, c.tail)
		if len(c.want) == 0 && got != "" {
			t.Errorf("%+v, %q: %q, want nothing", c.e, c.tail, got)
		}
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%+v, %q: %q does not say %q", c.e, c.tail, got, w)
			}
		}
	}
	big := (Exhausted{Processes: true}).shortage(Options{Jobs: 64}, "")
	if !strings.Contains(big, "8192") {
		t.Errorf("with 64 jobs: %q", big)
	}
}
