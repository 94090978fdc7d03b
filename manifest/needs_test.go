package manifest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleNeeds() *Needs {
	lock := Sum([]byte("lock"))
	return &Needs{
		Version: NeedsVersion, Lock: &lock,
		Archives: []NeededArchive{
			{Name: "debian-security", Suite: "buster/updates", Date: "2024-01-01T00:00:00Z", Snapshot: "2024-01-02T00:00:00Z"},
			{Name: "debian", Suite: "bookworm", Date: "2024-01-01T00:00:00Z"},
		},
		Blobs: []NeededBlob{
			{Name: "MacOSX10.11.sdk.tar.gz", Blob: Blob{SHA256: Digest{1}, Size: 3}},
			{
				Name: "pool/t/tool.deb", Blob: Blob{SHA256: Digest{2}, Size: 4}, Archive: "debian/bookworm", Path: "pool/t/tool.deb",
				Tried: []Tried{{URL: "http://a.example/pool/t/tool.deb", Answer: "the server answers 404 Not Found"}},
			},
			{Name: "a.xpi", Blob: Blob{SHA256: Digest{3}, Size: 0}, URL: "https://example.org/a.xpi?x=1"},
		},
		Hosts: []NeededHost{{Name: "example.org", Descriptor: "hello", Target: "bookworm-amd64", Command: "wget x", Place: "hello.yml:7", URL: "https://example.org/x"}},
	}
}

const sampleNeedsText = `satchel-needs: 1
lock: LOCK
archives:
  - name: debian-security
    suite: buster/updates
    date: "2024-01-01T00:00:00Z"
    snapshot: "2024-01-02T00:00:00Z"
  - name: debian
    suite: bookworm
    date: "2024-01-01T00:00:00Z"
blobs:
  - name: MacOSX10.11.sdk.tar.gz
    sha256: "0100000000000000000000000000000000000000000000000000000000000000"
    size: 3
  - name: pool/t/tool.deb
    sha256: "0200000000000000000000000000000000000000000000000000000000000000"
    size: 4
    archive: debian/bookworm
    path: pool/t/tool.deb
    tried:
      - url: http://a.example/pool/t/tool.deb
        answer: the server answers 404 Not Found
  - name: a.xpi
    sha256: "0300000000000000000000000000000000000000000000000000000000000000"
    size: 0
    url: https://example.org/a.xpi?x=1
hosts:
  - name: example.org
    descriptor: hello
    target: bookworm-amd64
    command: wget x
    place: hello.yml:7
    url: https://example.org/x
`

func TestNeeds(t *testing.T) {
	want := sampleNeeds()
	n := sampleNeeds()
	n.Blobs[0], n.Blobs[2] = n.Blobs[2], n.Blobs[0]
	n.Archives[0], n.Archives[1] = n.Archives[1], n.Archives[0]
	text, err := n.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sound := strings.Replace(sampleNeedsText, "LOCK", want.Lock.Hex(), 1)
	if diff := cmp.Diff(sound, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	back, err := ParseNeeds("x", text)
	if diff := cmp.Diff(want, back); diff != "" || err != nil {
		t.Errorf("(-want +got)\n%s%v", diff, err)
	}
	if n, err := ParseNeeds("x", []byte("satchel-needs: 1\n")); err != nil || len(n.Blobs) > 0 {
		t.Errorf("nothing at all is needed: got %v, %v", n, err)
	}
	for _, tt := range []struct{ old, new, want string }{
		{"satchel-needs: 1", "satchel-needs: 2", "x:1: satchel-needs: version 2 is not known"},
		{"satchel-needs: 1", "satchel-lock: 1", `x:1: the document: unknown key "satchel-lock"`},
		{"date: \"2024-01-01T00:00:00Z\"\nblobs", "date: \"2024-01-01\"\nblobs", "x:10: archives[1].date:"},
		{"suite: bookworm", "suite: ../../x", `x:9: archives[1].suite: "../../x" is no suite`},
		{"size: 3", "size: -3", `x:14: blobs[0].size: -3 is no size`},
		{"size: 3", "size: 3\n    url: file:///etc/shadow", "x:15: blobs[0].url:"},
		{"size: 3", "size: 3\n    url: /etc/shadow", "x:15: blobs[0].url:"},
		{"size: 3", "size: 3\n    url: http://u:p@example.org/", "x:15: blobs[0].url:"},
		{"size: 3", "size: 3\n    path: pool/x", "x:15: blobs[0].path: it stands only beside archive"},
		{"path: pool/t", "path: ../t", "x:19: blobs[1].path:"},
		{"archive: debian/bookworm", "archive: debian/sid", `x:18: blobs[1].archive: "debian/sid" is not among the archives`},
		{"name: a.xpi", "name: \"a\\e[2J\"", "x:23: blobs[2].name:"},
		{"name: a.xpi", "name: \"\"", "x:23: blobs[2].name:"},
		{"\"0300", "\"0200", `x:23: blobs[2]: "02`},
		{"\"0300", "\"0000", `x:24: blobs[2].sha256: reading digest`},
		{"answer: the", "answer: \"\\n\" # the", "x:22: blobs[1].tried[0].answer:"},
		{"name: example.org", "name: \"a\\nb\"", "x:28: hosts[0].name:"},
		{"target: bookworm-amd64", "target: ../x", "x:30: hosts[0].target:"},
		{sound, "", "x:1: it is empty"},
	} {
		text := strings.Replace(sound, tt.old, tt.new, 1)
		n, err := ParseNeeds("x", []byte(text))
		var p *Problems
		if n != nil || !errors.As(err, &p) || !strings.Contains("\n"+err.Error(), "\n"+tt.want) {
			t.Errorf("with %q: got %v, %v, want %s", tt.new, n, err, tt.want)
		}
	}
	bad := sampleNeeds()
	bad.Blobs[1].Path = "/etc/passwd"
	if text, err := bad.Marshal(); err == nil || text != nil {
		t.Errorf("got %q, want an error", text)
	}
}

// FuzzNeeds: what is read is written in one form, and read back as the same.
func FuzzNeeds(f *testing.F) {
	f.Add([]byte(strings.Replace(sampleNeedsText, "LOCK", Sum(nil).Hex(), 1)))
	f.Add([]byte("satchel-needs: 1\nblobs: []\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseNeeds("x", data)
		if err != nil {
			return
		}
		one, err := n.Marshal()
		if err != nil {
			t.Fatalf("it reads but cannot be written: %v", err)
		}
		again, err := ParseNeeds("x", one)
		if err != nil {
			t.Fatalf("what is written cannot be read: %v\n%s", err, one)
		}
		two, err := again.Marshal()
		if err != nil || !bytes.Equal(one, two) {
			t.Fatalf("it is written in two forms:\n%s\n%s\n%v", one, two, err)
		}
	})
}
