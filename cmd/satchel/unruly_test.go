package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/manifest"
	"satchel/runner"
)

// unruly are scripts for one environment, hello's, that a build must survive.
var unruly = map[string]string{
	"contract": `
exec 2>&1 > "$OUTDIR/contract.txt"
id; pwd; umask; hostname; uname -m; echo "$HOME $USER $LANG $LC_ALL $OUTDIR $GBUILD_BITS ${MAKEOPTS[*]}"
echo "$REFERENCE_DATETIME|$REFERENCE_DATE|$REFERENCE_TIME|$SOURCE_DATE_EPOCH"
env | LC_ALL=C sort | grep -v ^_=
grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status
ls -A ~ ; ls -A ~/build; locale -a; cat /etc/hosts /etc/resolv.conf
ls /sys/class/net; cat /proc/net/route | wc -l
echo "$0"; ls -l /proc/self/fd | wc -l`,
	"network": `getent hosts archive.example.org || true; curl_missing=1
(exec 3<>/dev/tcp/192.0.2.1/80) || true
getent hosts second.example.net
echo unreachable > $OUTDIR/never`,
	"asks": `exec 2>/dev/null
wget -q -T 2 -t 1 http://wget.example.org/a/sdk.tar.gz || true
git ls-remote https://git.example.org/x.git || true
perl -MIO::Socket::INET -e 'IO::Socket::INET->new("perl.example.org:80")' || true
echo x > /dev/udp/192.0.2.2/53 || true
echo x > /dev/tcp/2001:db8::7/443 || true
perl -MSocket -e 'socket(S,PF_INET6,SOCK_DGRAM,0); send(S,"x",0,pack_sockaddr_in6(9,Socket::inet_pton(AF_INET6,"2001:db8::9")))' || true
mkdir -p l/partial; echo 'deb [trusted=yes] http://deb.example.org/debian sid main' > s
apt-get -qq -o Dir::State=$PWD/l -o Dir::Cache=$PWD/l -o Dir::Etc::SourceList=$PWD/s update || true
false`,
	"seen":    "exec 3>$OUTDIR/seen.txt\nset +ex\n(\n" + seen + ") >&3",
	"left":    "mkdir d; echo kept > d/f; rm ~/.profile; rm -r ~/install; : > $OUTDIR/part; chmod 600 $OUTDIR/part; ln -s /nowhere d/l; rm d/l\necho seen:\n" + leftSeen + "\nexit 3",
	"failing": `echo before; false; echo after`,
	"killed":  `kill -KILL $$`,
	"stdin":   `cat > $OUTDIR/rest.txt` + "\nthis line is data\n",
	"background": `(trap '' TERM HUP; while :; do echo x >> $OUTDIR/growing; sleep 0.01; done) & disown
echo done > $OUTDIR/done.txt`,
	"loud":     `head -c 50000000 /dev/zero | tr '\0' 'x'; echo y > $OUTDIR/y`,
	"socket":   `python3 -c 'x' 2>/dev/null || perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un("$ENV{OUTDIR}/s"))'`,
	"outside":  `ln -s /etc/passwd $OUTDIR/l`,
	"spaces":   `echo x > "$OUTDIR/a b"`,
	"replaced": `rmdir $OUTDIR; ln -s /etc $OUTDIR`,
	"cached": `
cat $GBUILD_COMMON_CACHE/count $GBUILD_PACKAGE_CACHE/deep/own 2>/dev/null | tee $OUTDIR/seen || true
echo common >> $GBUILD_COMMON_CACHE/count; mkdir -p $GBUILD_PACKAGE_CACHE/deep; echo own >> $GBUILD_PACKAGE_CACHE/deep/own`,
	"varied": `
date > $OUTDIR/date; hostname > $OUTDIR/host; nproc > $OUTDIR/processors; uname -r > $OUTDIR/kernel; echo $$ > $OUTDIR/process
mkdir d; touch d/a d/b d/c; ls -U d > $OUTDIR/listing; tar --mtime=@0 -cf $OUTDIR/order.tar d; touch -d @0 d; tar -czf $OUTDIR/times.tar.gz d
perl -e 'print \%ENV' > $OUTDIR/address; cut -d. -f1 /proc/uptime > $OUTDIR/uptime; mktemp -u > $OUTDIR/path; echo $NUM_MEM > $OUTDIR/memory; cat /proc/self/uid_map > $OUTDIR/users`,
	"steady": `
mkdir d; touch d/a d/b d/c; tar --sort=name --mtime=@$SOURCE_DATE_EPOCH -cf $OUTDIR/x.tar d; ls -R / 2>/dev/null | grep -c . > /dev/null
hostname > /dev/null; find . | sort > $OUTDIR/list; find /usr/share/doc -name copyright | LC_ALL=C sort | sha256sum > $OUTDIR/sum; rm -r d; ls -A > $OUTDIR/left`,
	"second":   `[ $NUM_PROCS = 2 ] && echo x > $OUTDIR/x`,
	"hungry":   `perl -e '$x = "x" x (3 << 30)' > $OUTDIR/x`,
	"forks":    `perl -e 'while (1) { my $p = fork; die "fork: $!" unless defined $p; sleep 1000 unless $p }'`,
	"newline":  `touch "$OUTDIR/$(printf 'a\nb')"`,
	"fifo":     `mkfifo $OUTDIR/p`,
	"device":   `mknod $OUTDIR/null c 1 3`,
	"loop":     `ln -s l $OUTDIR/l`,
	"shadow":   `ln /etc/shadow $OUTDIR/x`,
	"deep":     `perl -e 'chdir $ENV{OUTDIR}; for (1..55) { $d = "d" x 60; mkdir $d or die $!; chdir $d or die $! } open F, ">f" or die $!'`,
	"suicide":  `kill -KILL -1; echo alive > $OUTDIR/alive`,
	"sleepy":   `sleep 61723`,
	"flood":    `head -c 10000000000 /dev/zero | tr '\0' 'x'; echo; echo the end`,
	"large":    `head -c 60000000 /dev/zero > $OUTDIR/a; head -c 60000000 /dev/zero > $OUTDIR/b; echo y > $OUTDIR/y`,
	"filling":  `head -c 400000000 /dev/zero > x; echo never > $OUTDIR/y`,
	"full":     `head -c 400000000 /dev/zero > x || getent hosts full.example.org; false`,
	"hardlink": `echo x > $OUTDIR/a; ln $OUTDIR/a $OUTDIR/b; ln -s a $OUTDIR/c; mkdir $OUTDIR/d; echo .x > $OUTDIR/.dot`,
}

// descriptor is hello's with another name and script and no files.
func descriptor(t *testing.T, name, script string) string {
	text, err := os.ReadFile("../../examples/hello/hello.yml")
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := bytes.Cut(text, []byte("files:"))
	if !ok {
		t.Fatal("examples/hello/hello.yml has no files")
	}
	cache := ""
	if name == "cached" {
		cache = "enable_cache: true\n"
	}
	body := strings.ReplaceAll(strings.TrimLeft(script, "\n"), "\n", "\n  ")
	return strings.Replace(string(head), `"hello"`, `"`+name+`"`, 1) + cache + "files: []\nscript: |\n  " + body + "\n"
}

// contract compares what a script sees with gitian's contract, line by line.
func (c *crossing) contract(t *testing.T, engine string) {
	out := engine + "-contract"
	if _, code, story := c.build(t, engine, "unruly.satchel", "contract", out); code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	const want = `uid=1000(debian) gid=1000(debian) groups=1000(debian)
/home/debian/build
0002
satchel
x86_64
/home/debian debian en_US.UTF-8 en_US.UTF-8 /home/debian/out 64 -j2
2022-12-29 12:00:00|2022-12-29|12:00:00|1672315200
HOME=/home/debian
LANG=en_US.UTF-8
LC_ALL=en_US.UTF-8
LOGNAME=debian
OLDPWD=/home/debian
OUTDIR=/home/debian/out
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PWD=/home/debian/build
SHELL=/bin/bash
SHLVL=1
SOURCE_DATE_EPOCH=1672315200
USER=debian
Groups:	 
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
.bash_logout
.bashrc
build
cache
install
out
.profile
C
C.utf8
en_US.utf8
POSIX
`
	got := c.read(t, out, "out", "contract.txt")
	if !strings.HasPrefix(got, want) {
		t.Errorf("the script saw\n%s\nwant it to begin with\n%s", got, want)
	}
	for _, line := range []string{"127.0.0.1\tlocalhost", "nameserver 127.0.0.1", "lo"} {
		if !slices.Contains(strings.Split(strings.ReplaceAll(got, "    ", "\t"), "\n"), line) {
			t.Errorf("the script did not see %q in\n%s", line, strings.TrimPrefix(got, want))
		}
	}
}

// unruly runs the scripts that do what they should not.
func (c *crossing) unruly(t *testing.T, engine string) {
	if err := os.RemoveAll(filepath.Join(c.cache, "build")); err != nil { // what the other engine's builds kept
		t.Fatal(err)
	}
	for _, u := range unrulyEnds {
		t.Run(u.name, func(t *testing.T) {
			out := engine + "-" + u.name
			var more []string
			if engine == "docker" { // a daemon takes its time to keep what a script left
				more = append(more, "--no-keep")
			}
			built, code, story := c.build(t, engine, "unruly.satchel", u.name, out, more...)
			t.Logf("%.1f s, satchel's own memory %d MiB", c.took.Seconds(), c.peak>>20)
			if c.peak > memoryGoal {
				t.Errorf("satchel took %d bytes of memory, want at most %d", c.peak, memoryGoal)
			}
			for line := range strings.Lines(u.want + "\n") {
				if want := strings.TrimSuffix(line, "\n"); code != u.code || !strings.Contains(story, want) {
					t.Errorf("exit status %d, want %d and %q in\n%s", code, u.code, want, story)
				}
			}
			if _, err := os.Lstat(filepath.Join(c.dir, out)); (err == nil) != (u.code == 0) {
				t.Errorf("the result folder: %v", err)
			}
			if u.code == 0 {
				c.checkUnruly(t, u.name, out, built[0])
			}
		})
	}
	c.nothingLeft(t)
}

// unrulyEnds is how they end.
var unrulyEnds = []struct {
	name string
	code int
	want string // in the story, each line
}{
	{"network", 7, `archive.example.org, by "getent hosts archive.example.org", in line 1 of the script (network.yml:` + "\n" +
		"192.0.2.1:80, in line 2 of the script\n" + `second.example.net, by "getent hosts second.example.net", in line 3 of`},
	{"asks", 7, `wget.example.org, by "wget -q -T 2 -t 1 http://wget.example.org/a/sdk.tar.gz", in line 2 of the script (asks.yml:` + "\n" +
		`files: {sdk.tar.gz: {url: "http://wget.example.org/a/sdk.tar.gz"` + "\n" +
		`for "git ls-remote https://git.example.org/x.git", in line 3` + "\n" + "under remotes:\n" +
		`perl.example.org, by "perl -MIO::Socket::INET` + "\n" + "192.0.2.2:53, in line 5\n[2001:db8::7]:443, in line 6\n" +
		`[2001:db8::9]:9, by "perl -MSocket` + "\n" + `deb.example.org, by "/usr/lib/apt/methods/http" for "apt-get -qq` + "\nunder packages:"},
	{"failing", 1, "status 1"},
	{"killed", 1, "status 137"},
	{"stdin", 0, ""},
	{"background", 0, ""},
	{"loud", 0, ""},
	{"socket", 1, "socket"},
	{"outside", 1, "/etc/passwd"},
	{"spaces", 1, "a b"},
	{"replaced", 1, "in place of the folder"},
	{"hardlink", 0, ""},
	{"cached", 0, ""},
	{"hungry", 1, "memory ran out, and the kernel killed what took most: the limit is 2000 MiB, give more with -m"},
	{"forks", 1, "a new process was refused: the limit is 4096 at a time"},
	{"newline", 1, `a\nb`},
	{"fifo", 1, "named pipe"},
	{"device", 1, "status 1"},
	{"loop", 1, "which is not there"},
	{"shadow", 1, "status 1"},
	{"deep", 1, "no longer than 3072 bytes"},
	{"suicide", 0, ""},
}

// checkUnruly looks at what the scripts that end well leave.
func (c *crossing) checkUnruly(t *testing.T, name, out string, b runner.Built) {
	var paths []string
	for _, o := range b.Outputs {
		paths = append(paths, o.Path)
		data := c.read(t, out, "out", o.Path)
		if manifest.Sum([]byte(data)) != o.SHA256 {
			t.Errorf("%s: its hash is not the one told", o.Path)
		}
	}
	switch name {
	case "stdin":
		if got := c.read(t, out, "out", "rest.txt"); got != "this line is data\n" {
			t.Errorf("the rest of the script is %q", got)
		}
	case "loud":
		if n := len(c.read(t, out, "logs", "bookworm-amd64-build.log")); n < 50000000 {
			t.Errorf("the log has %d bytes", n)
		}
	case "cached":
		again, code, story := c.build(t, strings.TrimSuffix(out, "-cached"), "unruly.satchel", "cached", out+"-again")
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		if got := c.read(t, out+"-again", "out", "seen"); got != "common\nown\n" {
			t.Errorf("the second build found %q in its cache", got)
		}
		for _, want := range []string{"cache_common_manifest", "count", "deep/own"} {
			if !strings.Contains(c.read(t, out+"-again", again[0].Manifest.Path), want) {
				t.Errorf("the manifest does not tell of %s", want)
			}
		}
	case "hardlink":
		if want := []string{".dot", "a", "b", "c"}; !slices.Equal(paths, want) {
			t.Errorf("outputs %v, want %v", paths, want)
		}
	}
}

// The table that people read says of each script how it ends.
func TestUnrulyTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- scripts -->\n")
	table, _, _ = strings.Cut(table, "<!-- end -->")
	var want strings.Builder
	want.WriteString("| script | exit status | it is told |\n|---|---|---|\n")
	for _, u := range unrulyEnds {
		told := strings.ReplaceAll(u.want, "\n", " … ")
		if told == "" {
			told = "nothing: it is built"
		}
		fmt.Fprintf(&want, "| `%s` | %d | %s |\n", strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(unruly[u.name]), "\n", "; "), "|", `\|`), u.code, told)
	}
	if table != want.String() {
		t.Errorf("docs/conformance.md has\n%s\nwant\n%s", table, want.String())
	}
}
