package sandbox

import (
	"slices"
	"testing"
)

func TestInterfaces(t *testing.T) {
	const head = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets\n"
	for text, want := range map[string][]string{
		head + "    lo:       0       0\n":         {"lo"},
		head + "    lo: 0\n  eth0: 1 2\nwlan0:3\n": {"lo", "eth0", "wlan0"},
		head + "\n": nil, head + "no interface\n": nil, head: nil, "": nil,
	} {
		got, err := interfaces(text)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

// This machine's own network is seen: the test would not notice a container
// with one otherwise.
func TestNoNetworkHere(t *testing.T) {
	if err := noNetwork(); err == nil {
		t.Skip("this machine itself has no network")
	}
}
