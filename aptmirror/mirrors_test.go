package aptmirror

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMirrors: who is asked, in which order.
func TestMirrors(t *testing.T) {
	machine, err := ParseSourcesList("x.list", []byte("deb http://near.example/debian/ bookworm main\n"+
		"deb http://other.example/x bookworm contrib\ndeb http://security.example/s bookworm-security main\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := Mirrors{Machine: machine, Given: map[string][]string{
		"debian": {"http://given.example/d/", "http://snap.example/@SNAPSHOTID@/debian", "http://near.example/debian"},
		"ubuntu": {"http://u.example"},
	}}
	bookworm := Pocket{Archive: "debian", Suite: "bookworm", Components: []string{"main"}}
	at := time.Date(2021, 3, 4, 1, 2, 3, 0, time.FixedZone("", 3600))
	const debian = "http://snapshot-cloudflare.debian.org/archive/"
	for _, c := range []struct {
		name      string
		got, want []string
	}{
		{"open", m.Current(bookworm, false), strings.Fields("http://given.example/d http://near.example/debian http://ftp.debian.org/debian http://archive.debian.org/debian")},
		{"closed", m.Current(bookworm, true), strings.Fields("http://given.example/d http://near.example/debian http://archive.debian.org/debian http://ftp.debian.org/debian")},
		{"given only", Mirrors{Given: m.Given, GivenOnly: true, Machine: machine}.Current(bookworm, false), strings.Fields("http://given.example/d http://near.example/debian")},
		{"of nobody", Mirrors{}.Current(Pocket{Archive: "elsewhere"}, false), nil},
		{"snapshots", m.Snapshots("debian", at, at.Add(time.Hour)), strings.Fields("http://snap.example/20210304T000203Z/debian " +
			debian + "debian/20210304T000203Z " + debian + "debian-archive/20210304T000203Z/debian http://snap.example/20210304T010203Z/debian " +
			debian + "debian/20210304T010203Z " + debian + "debian-archive/20210304T010203Z/debian")},
		{"snapshots of security", m.Snapshots("debian-security", at), strings.Fields(debian + "debian-security/20210304T000203Z " + debian + "debian-archive/20210304T000203Z/debian-security")},
		{"snapshots of Debian's ports", m.Snapshots("debian-ports", at), []string{debian + "debian-ports/20210304T000203Z"}},
		{"snapshots of Ubuntu", m.Snapshots("ubuntu", at), []string{"http://snapshot.ubuntu.com/ubuntu/20210304T000203Z"}},
		{"snapshots of Ubuntu's ports", m.Snapshots("ubuntu-ports", at), []string{"http://snapshot.ubuntu.com/ubuntu/20210304T000203Z"}},
		{"snapshots, given only", Mirrors{Given: m.Given, GivenOnly: true}.Snapshots("debian", at), []string{"http://snap.example/20210304T000203Z/debian"}},
		{"snapshots of nobody", m.Snapshots("elsewhere", at), nil},
		{"below", Below([]string{"http://a/", "http://a", "http://b"}, "pool/x"), strings.Fields("http://a/pool/x http://b/pool/x")},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, strings.Join(c.got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestParseMoment(t *testing.T) {
	want := time.Date(2021, 3, 4, 0, 0, 0, 0, time.UTC)
	for _, s := range []string{
		"2021-03-04T00:00:00Z", "20210304T000000Z", "2021-03-04 00:00:00", "2021-03-04T00:00:00", "2021-03-04 00:00",
		"2021-03-04", "20210304", "2021-03-04T01:00:00+01:00", "@1614816000",
	} {
		if got, err := ParseMoment(s); err != nil || got != want {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "now", "2021", "2021-3-4", "2021-02-30", "20210304T000000", "2021-03-04T00:00:00.5Z", "@", "@-1", "@99999999999",
		"1969-12-31", "2021-03-04T00:00:00Z ", "../../x", "2021-03-04 00:00:00 +0000",
	} {
		if got, err := ParseMoment(s); err == nil {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
}

func TestMirrorsHost(t *testing.T) {
	m := Mirrors{
		Given:   map[string][]string{"debian": {"http://u:p@given.example.org:81/debian"}},
		Machine: []SourceEntry{{URIs: []string{"https://machine.example.org/debian", "file:///disc"}}},
	}
	for host, want := range map[string]bool{
		"given.example.org": true, "machine.example.org": true, "MACHINE.example.org": true, "snapshot-cloudflare.debian.org": true,
		"security.debian.org": true, "example.org": false,
	} {
		if got := m.Host(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
	m.GivenOnly = true
	if m.Host("machine.example.org") || !m.Host("given.example.org") {
		t.Error("GivenOnly does not count")
	}
}
