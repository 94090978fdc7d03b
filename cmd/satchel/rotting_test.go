package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"satchel/aptmirror/archivetest"
)

const day = 24 * time.Hour

// TestMirrorsInOrder: who is asked for a release file, one after the other: the
// command line's, satchel.yaml's, apt's, the canonical hosts, the keeper of old
// suites. Each fails in another way, the table knows nothing of it, and what
// was skipped for a bad file is told. That apt would trust a mirror blindly says
// nothing here.
func TestMirrorsInOrder(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	now := time.Now()
	n.write(t, "satchel.yaml", []byte("mirrors:\n  debian: [\"http://yaml.example/debian\"]\n"))
	n.write(t, "apt/sources.list", []byte("deb [trusted=yes check-valid-until=no] http://near.example/debian bookworm main\n"+
		"deb [trusted=yes check-valid-until=no] http://near.example/debian bookworm-updates main\n"))
	n.debian(t, "yaml.example/debian", "security.debian.org/debian-security", "0.8", now.Add(-20*day), 7*day) // stale
	n.debian(t, "archive.debian.org/debian", "security.debian.org/debian-security", "2.0", now.Add(-time.Hour), 7*day)
	stranger := archivetest.NewKey(t)
	n.Publish(t, archivetest.Suite{Archive: "near.example/debian", Name: "bookworm", Keys: []*archivetest.Key{stranger}})
	story := n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock", "--mirror=debian=http://given.example/d/")
	for _, want := range []string{"http://yaml.example/debian is not taken: ", "valid until", "http://near.example/debian is not taken: "} {
		if !strings.Contains(story, want) {
			t.Errorf("the story does not tell %q:\n%s", want, story)
		}
	}
	got := n.requests(`dists/bookworm/(InRelease|Release|main/)`)
	wantLines(t, "asked for bookworm", got, `
		given.example/d/dists/bookworm/InRelease
		given.example/d/dists/bookworm/Release
		yaml.example/debian/dists/bookworm/InRelease
		near.example/debian/dists/bookworm/InRelease
		ftp.debian.org/debian/dists/bookworm/InRelease
		ftp.debian.org/debian/dists/bookworm/Release
		archive.debian.org/debian/dists/bookworm/InRelease
		archive.debian.org/debian/dists/bookworm/main/binary-amd64/Packages.gz`)

	// A package: 404, other bytes, 404, 404, there. The last but one answers with
	// another length, which nobody reads on for.
	n.Write(t, "near.example/debian/pool/main/t/tool/tool_2.0_amd64.deb", []byte("short"))
	whole := n.Read(t, "archive.debian.org/debian/pool/main/t/tool/tool_2.0_amd64.deb")
	n.Write(t, "ftp.debian.org/debian/pool/main/t/tool/tool_2.0_amd64.deb", make([]byte, len(whole)))
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel", "--mirror=debian=http://given.example/d/")
	wantLines(t, "asked for tool", n.requests(`tool_2\.0`), `
		given.example/d/pool/main/t/tool/tool_2.0_amd64.deb
		yaml.example/debian/pool/main/t/tool/tool_2.0_amd64.deb
		near.example/debian/pool/main/t/tool/tool_2.0_amd64.deb
		ftp.debian.org/debian/pool/main/t/tool/tool_2.0_amd64.deb
		archive.debian.org/debian/pool/main/t/tool/tool_2.0_amd64.deb`)
	n.satchel(t, 0, "verify", "--unsigned", "tool.satchel")
}

// TestDeadMirror: nobody listens at the first address.
func TestDeadMirror(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.debian(t, "ftp.debian.org/debian", "security.debian.org/debian-security", "2.0", time.Now().Add(-time.Hour), 7*day)
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock", "--mirror=debian=http://127.0.0.1:1/debian")
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel", "--mirror=debian=http://127.0.0.1:1/debian")
}

// TestLeftTheArchive: a suite that has left the main mirrors, where the table
// calls it open, is found at the keeper of old ones; but its Valid-Until counts
// for as long as nobody says otherwise, and then the lock tells.
func TestLeftTheArchive(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.debian(t, "archive.debian.org/debian", "archive.debian.org/debian-security", "2.0", time.Now().Add(-400*day), 7*day)
	story := n.satchel(t, 1, "lock", "tool.yml", "-o", "tool.lock")
	for _, want := range []string{"valid until", "--ignore-expiry", "--snapshot", "http://archive.debian.org/debian"} {
		if !strings.Contains(story, want) {
			t.Errorf("the error does not tell %q:\n%s", want, story)
		}
	}
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock", "--ignore-expiry")
	if lock := n.read(t, "tool.lock"); strings.Count(lock, "    waived:\n      - expiry\n") != 3 {
		t.Errorf("the lock does not say three times that expiry was waived:\n%s", lock)
	}
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel")
	for _, args := range [][]string{{"inspect", "tool.satchel"}, {"inspect", "tool.lock"}, {"verify", "--unsigned", "tool.satchel"}} {
		if out := n.satchel(t, 0, args...); !strings.Contains(out, "Valid-Until") {
			t.Errorf("%v does not show it:\n%s", args, out)
		}
	}
}

// TestSnapshot: --snapshot asks a snapshot service alone, follows it to the
// moment that it has, heeds its limits, and keeps the moment for a gather years
// later, which takes packages from the mirrors that still have them.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	at := time.Date(2023, 9, 4, 0, 0, 0, 0, time.UTC)
	n.debian(t, "ftp.debian.org/debian", "security.debian.org/debian-security", "9.0", time.Now().Add(-time.Hour), 7*day)
	n.snapshot(t, at.Add(-30*time.Hour), "0.9", at.Add(-31*time.Hour), 7*day)
	n.snapshot(t, at.Add(-3*time.Hour), "1.0", at.Add(-4*time.Hour), 7*day)
	n.snapshot(t, at.Add(3*time.Hour), "1.1", at.Add(2*time.Hour), 7*day)
	var limited atomic.Int32
	n.fault("debian-security/20230904T000000Z/", func(w http.ResponseWriter, r *http.Request) {
		if limited.Add(1) <= 2 {
			w.Header().Set("Retry-After", "1")
			status(http.StatusTooManyRequests)(w, r)
			return
		}
		http.Redirect(w, r, strings.Replace(r.URL.String(), "20230904T000000Z", "20230903T210000Z", 1), http.StatusFound)
	})
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock", "--snapshot", "2023-09-04 00:00:00")
	if limited.Load() < 3 {
		t.Error("the service's limit was never met")
	}
	wantLines(t, "asked for bookworm", n.requests(`/dists/bookworm/`), `
		snapshot-cloudflare.debian.org/archive/debian/20230904T000000Z/dists/bookworm/InRelease
		snapshot-cloudflare.debian.org/archive/debian/20230903T210000Z/dists/bookworm/InRelease
		snapshot-cloudflare.debian.org/archive/debian/20230904T000000Z/dists/bookworm/main/binary-amd64/Packages.gz
		snapshot-cloudflare.debian.org/archive/debian/20230903T210000Z/dists/bookworm/main/binary-amd64/Packages.gz`)
	lock := n.read(t, "tool.lock")
	if !strings.Contains(lock, "version: \"1.0\"") || strings.Count(lock, "    snapshot: \"2023-09-04T00:00:00Z\"\n") != 3 || strings.Contains(lock, "waived") {
		t.Errorf("got\n%s", lock)
	}
	n.satchel(t, 0, "lock", "tool.yml", "-o", "again.lock", "--snapshot", "20230904T000000Z")
	if n.read(t, "again.lock") != lock {
		t.Error("another spelling of the moment gives another lock")
	}
	n.freshCache(t)
	n.requests("")
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel", "--inputs", ".")
	wantLines(t, "asked for tool", n.requests(`tool_1\.0`), `
		ftp.debian.org/debian/pool/main/t/tool/tool_1.0_amd64.deb
		archive.debian.org/debian/pool/main/t/tool/tool_1.0_amd64.deb
		snapshot-cloudflare.debian.org/archive/debian/20230904T000000Z/pool/main/t/tool/tool_1.0_amd64.deb
		snapshot-cloudflare.debian.org/archive/debian/20230903T210000Z/pool/main/t/tool/tool_1.0_amd64.deb`)
	n.satchel(t, 0, "verify", "--unsigned", "tool.satchel")
	if out := n.satchel(t, 0, "inspect", "tool.satchel"); !strings.Contains(out, "2023-09-04T00:00:00Z") {
		t.Errorf("inspect does not show the moment:\n%s", out)
	}
}

// TestSnapshotRefused: what a service may answer and a lock may not take.
func TestSnapshotRefused(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	at := time.Date(2023, 9, 4, 0, 0, 0, 0, time.UTC)
	n.debian(t, "ftp.debian.org/debian", "security.debian.org/debian-security", "9.0", time.Now().Add(-time.Hour), 7*day)
	for _, c := range []struct {
		name, moment string
		publish      func()
		code         int
		want         string
	}{
		{"no service", "2023-09-04", func() {}, 6, "404"},
		{"a state of later", "2023-09-04", func() { n.snapshot(t, at, "1.0", at.Add(time.Hour), 7*day) }, 1, "after the moment"},
		{"a state that had expired", "2023-09-04", func() { n.snapshot(t, at, "1.0", at.Add(-30*day), 7*day) }, 1, "valid until"},
		{"a redirect to a file", "2023-09-04", func() {
			n.fault("snapshot-cloudflare.debian.org", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "file:///etc/passwd")
				w.WriteHeader(http.StatusFound)
			})
		}, 6, "redirect to file:///etc/passwd is not followed"},
		{"a moment that is not over", time.Now().Add(time.Hour).UTC().Format(time.RFC3339), func() {}, 2, "not over yet"},
		{"no moment", "yesterday", func() {}, 2, "is no moment"},
	} {
		n.forget(t, "snapshot-cloudflare.debian.org")
		c.publish()
		story := n.satchel(t, c.code, "lock", "tool.yml", "-o", "bad.lock", "--snapshot", c.moment)
		if !strings.Contains(story, c.want) {
			t.Errorf("%s: it does not tell %q:\n%s", c.name, c.want, story)
		}
		if _, err := os.Stat(n.dir + "/bad.lock"); err == nil {
			t.Errorf("%s: there is a lock", c.name)
		}
		if got := n.requests(`^ftp|^security|^archive\.`); len(got) > 0 {
			t.Errorf("%s: mirrors of today were asked: %q", c.name, got)
		}
	}
}

// TestOwnSnapshotService: any service will do that has a moment in its URLs, and
// with --mirrors-only no other is asked.
func TestOwnSnapshotService(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	at := time.Date(2023, 9, 4, 0, 0, 0, 0, time.UTC)
	n.debian(t, "own.example/20230904T000000Z/d", "own.example/20230904T000000Z/s", "1.0", at.Add(-time.Hour), 0)
	n.write(t, "satchel.yaml", []byte("mirrors:\n  debian-security: [\"http://own.example/@SNAPSHOTID@/s/\"]\n"))
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock", "--snapshot", "20230904", "--mirrors-only", "--mirror", "debian=http://own.example/@SNAPSHOTID@/d/")
	n.freshCache(t)
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel", "--mirrors-only", "--mirror", "debian=http://own.example/@SNAPSHOTID@/d/")
	if got := n.requests(`^[^o]`); len(got) > 0 {
		t.Errorf("others were asked: %q", got)
	}
}

// TestUbuntuSnapshot: Ubuntu's service has one archive for all architectures,
// and answers for any moment.
func TestUbuntuSnapshot(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.write(t, "tool.yml", []byte(strings.NewReplacer("'", `"`, "debian", "ubuntu", "bookworm", "jammy").Replace(toolDescriptor)))
	date := time.Date(2023, 9, 3, 12, 0, 0, 0, time.UTC)
	for i, name := range []string{"jammy", "jammy-updates", "jammy-security"} {
		s := archivetest.Suite{Archive: "snapshot.ubuntu.com/ubuntu/20230904T000000Z", Name: name, Date: date, Components: []string{"main", "universe"}}
		if i == 0 {
			s.Packages = []archivetest.Package{archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "1", "")}
		}
		n.Publish(t, s)
	}
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock", "--snapshot", "2023-09-04T00:00:00Z")
	wantLines(t, "asked for jammy-security", n.requests(`jammy-security/InRelease`), `snapshot.ubuntu.com/ubuntu/20230904T000000Z/dists/jammy-security/InRelease`)
	n.freshCache(t)
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel", "--inputs", ".")
}

// TestMovedOn: a lock of an ordinary day is gathered long after the mirrors have
// moved on: its date tells which snapshots may have the very files.
func TestMovedOn(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	now := time.Now().Truncate(time.Second).UTC()
	date := now.Add(-3 * day)
	n.debian(t, "ftp.debian.org/debian", "security.debian.org/debian-security", "2.0", date, 7*day)
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock")
	// The service looks two hours before that state was signed, an hour and a half
	// after it, and a day later. The archive has another state by now.
	id := func(d time.Duration) string { return date.Add(d).Format("20060102T150405Z") }
	run := id(90 * time.Minute)
	const debian = "snapshot-cloudflare.debian.org/archive/debian"
	n.snapshot(t, date.Add(-2*time.Hour), "1.9", date.Add(-3*time.Hour), 7*day)
	n.move(t, "ftp.debian.org/debian", debian+"/"+run)
	n.move(t, "security.debian.org/debian-security", debian+"-security/"+run)
	n.snapshot(t, date.Add(day), "2.1", date.Add(23*time.Hour), 7*day)
	n.debian(t, "ftp.debian.org/debian", "security.debian.org/debian-security", "2.1", now.Add(-time.Hour), 7*day)
	if err := os.Remove(n.Dir + "/ftp.debian.org/debian/pool/main/b/base/base_1.0_amd64.deb"); err != nil {
		t.Fatal(err)
	}
	n.freshCache(t)
	n.requests("")
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel", "--inputs", ".")
	wantLines(t, "asked for InRelease", n.requests(`dists/bookworm/InRelease`), fmt.Sprintf(`
		ftp.debian.org/debian/dists/bookworm/InRelease
		archive.debian.org/debian/dists/bookworm/InRelease
		%[1]s/%[2]s/dists/bookworm/InRelease %[1]s/%[5]s/dists/bookworm/InRelease
		%[1]s-archive/%[2]s/debian/dists/bookworm/InRelease
		%[1]s/%[3]s/dists/bookworm/InRelease %[1]s/%[4]s/dists/bookworm/InRelease`,
		debian, id(time.Hour), id(6*time.Hour), run, id(-2*time.Hour)))
	n.satchel(t, 0, "verify", "--unsigned", "tool.satchel")
}

// TestWeakHashes: an archive that lists its indexes by SHA-1 and MD5 alone is
// refused, unless somebody says that it will do; then the lock says so, and what
// it says is checked, by those hashes, wherever the bundle goes.
func TestWeakHashes(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	publish := func(host string) {
		for i, name := range []string{"bookworm", "bookworm-updates"} {
			s := archivetest.Suite{Archive: host, Name: name, Hashes: []string{"MD5Sum", "SHA1"}}
			if i == 0 {
				s.Packages = []archivetest.Package{archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "1", "")}
				s.Sources = []archivetest.Source{{Name: "hello", Version: "1", Files: map[string][]byte{"hello.orig.tar.gz": []byte("hello")}}}
			}
			n.Publish(t, s)
		}
	}
	publish("ftp.debian.org/debian")
	n.Publish(t, archivetest.Suite{Archive: "security.debian.org/debian-security", Name: "bookworm-security"})
	n.write(t, "tool.yml", []byte(strings.NewReplacer("'", `"`, "files: []", "files: ['hello.orig.tar.gz']").Replace(toolDescriptor)))
	n.write(t, "satchel.yaml", []byte("files:\n  hello.orig.tar.gz: {source-package: hello}\n"))
	if story := n.satchel(t, 1, "lock", "tool.yml", "-o", "tool.lock"); !strings.Contains(story, "--allow-weak-hashes") || !strings.Contains(story, "SHA256") {
		t.Errorf("the error tells no reason, or no way out:\n%s", story)
	}
	// Somebody on the way to the mirror has another index: the next place is asked.
	n.fault("ftp.debian.org/debian/dists/bookworm/main/binary-amd64/Packages.gz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
	n.satchel(t, 6, "lock", "tool.yml", "-o", "tool.lock", "--allow-weak-hashes")
	publish("archive.debian.org/debian")
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock", "--allow-weak-hashes")
	lock := n.read(t, "tool.lock")
	if strings.Count(lock, "    waived:\n      - hashes\n") != 2 {
		t.Errorf("got\n%s", lock)
	}
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel")
	if out := n.satchel(t, 0, "verify", "--unsigned", "tool.satchel"); strings.Count(out, "SHA-1 or MD5 alone") != 2 {
		t.Errorf("verify does not tell:\n%s", out)
	}
	if out := n.satchel(t, 0, "verify", "--json", "--unsigned", "tool.satchel", "--archive-keyring", "archive.gpg"); strings.Count(out, `"waived": [`) != 2 {
		t.Errorf("the report does not tell:\n%s", out)
	}

	// A lock that does not say so is not believed.
	n.write(t, "silent.lock", []byte(strings.ReplaceAll(lock, "    waived:\n      - hashes\n", "")))
	n.satchel(t, 0, "gather", "--lock", "silent.lock", "-o", "silent.satchel")
	if out := n.satchel(t, 3, "verify", "--unsigned", "silent.satchel"); !strings.Contains(out, "no SHA256 section") {
		t.Errorf("got\n%s", out)
	}
}

// TestWeakSignatures: lucid, whose archive signs with a DSA key and SHA-1 alone, in
// OpenPGP's old form. It is refused, unless somebody says that it will do; then the
// lock says so of each archive, and so does all that shows it. What is signed
// wrongly, by another key, or in another suite's place is refused all the same.
func TestWeakSignatures(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	old, stranger := archivetest.NewDSAKey(t, true), archivetest.NewDSAKey(t, true)
	publish := func(keys ...*archivetest.Key) {
		for _, pocket := range []string{"", "-updates", "-security"} {
			s := archivetest.Suite{Archive: "old-releases.ubuntu.com/ubuntu", Name: "lucid" + pocket, Codename: "lucid", Origin: "Ubuntu", Version: "10.04",
				Components: []string{"main", "universe"}, Hashes: []string{"MD5Sum", "SHA1", "SHA256"}, Forms: []string{".gz", ".bz2"}, Detached: true, Keys: keys}
			if pocket == "" {
				s.Packages = []archivetest.Package{archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "1", "")}
			}
			n.Publish(t, s)
		}
	}
	publish(old)
	n.write(t, "archive.gpg", append(n.Keyring(t), old.Public(t)...))
	n.write(t, "tool.yml", []byte(strings.NewReplacer("'", `"`, "debian", "ubuntu", "bookworm", "lucid").Replace(toolDescriptor)))
	if story := n.satchel(t, 1, "lock", "tool.yml", "-o", "tool.lock"); !strings.Contains(story, "--allow-weak-signatures") || !strings.Contains(story, old.Fingerprint()) {
		t.Errorf("the error tells no key, or no way out:\n%s", story)
	}
	n.satchel(t, 1, "lock", "tool.yml", "-o", "tool.lock", "--allow-weak-hashes", "--ignore-expiry")
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock", "--allow-weak-signatures")
	lock := n.read(t, "tool.lock")
	if strings.Count(lock, "    waived:\n      - signatures\n    signed-by:\n      - "+old.Fingerprint()+"\n") != 3 {
		t.Errorf("got\n%s", lock)
	}
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel")
	for _, args := range [][]string{{"inspect", "tool.lock"}, {"inspect", "tool.satchel"}, {"verify", "--unsigned", "tool.satchel", "--archive-keyring", "archive.gpg"}} {
		if out := n.satchel(t, 0, args...); strings.Count(out, "DSA key or with SHA-1 alone") != 3 {
			t.Errorf("%v does not tell:\n%s", args, out)
		}
	}

	// A lock that does not say so is not believed, nor are other keys.
	n.write(t, "silent.lock", []byte(strings.ReplaceAll(lock, "    waived:\n      - signatures\n", "")))
	n.satchel(t, 0, "gather", "--lock", "silent.lock", "-o", "silent.satchel")
	if out := n.satchel(t, 3, "verify", "--unsigned", "silent.satchel"); !strings.Contains(out, "too weak") {
		t.Errorf("got\n%s", out)
	}
	n.write(t, "other.gpg", append(n.Keyring(t), stranger.Public(t)...))
	n.satchel(t, 3, "verify", "--unsigned", "tool.satchel", "--archive-keyring", "other.gpg")

	lists := "old-releases.ubuntu.com/ubuntu/dists/"
	refused := func(what, want string) {
		t.Helper()
		n.freshCache(t)
		if story := n.satchel(t, 1, "lock", "tool.yml", "-o", "bad.lock", "--allow-weak-signatures"); !strings.Contains(story, want) {
			t.Errorf("%s: it does not tell %q:\n%s", what, want, story)
		}
	}
	release := n.Read(t, lists+"lucid/Release")
	n.Write(t, lists+"lucid/Release", []byte(strings.Replace(string(release), "Version: 10.04", "Version: 10.05", 1)))
	refused("another text", "bad signature")
	for _, f := range []string{"Release", "Release.gpg"} {
		n.Write(t, lists+"lucid/"+f, n.Read(t, lists+"lucid-updates/"+f))
	}
	refused("another suite", "lucid-updates")
	publish(stranger)
	refused("a stranger", "no signature is by a key of the keyring")
	publish(old, n.Key)
	n.freshCache(t)
	n.satchel(t, 0, "lock", "tool.yml", "-o", "both.lock", "--allow-weak-signatures")
	if lock := n.read(t, "both.lock"); strings.Contains(lock, "waived") || strings.Contains(lock, old.Fingerprint()) {
		t.Errorf("a good signature beside a weak one is not enough:\n%s", lock)
	}
}
