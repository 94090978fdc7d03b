package compare

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pageOf is the page of a comparison with every kind of remark, names that are
// hostile to HTML included.
func pageOf(t *testing.T) string {
	t.Helper()
	evil := `<script>alert(1)</script>"'&`
	unread := func(s *Statement) { s.Result, s.Problem = nil, evil }
	r := run(builder("alice", "a.tar=1 b.tar=2", "gcc-7=7.4 tzdata=1"), builder("bob", "a.tar=1 b.tar=2", "gcc-7=7.4 tzdata=1", status(Old)),
		builder("carol", "a.tar=1", "gcc-7=7.5 tzdata=1", status(UnknownKey)), builder(evil, "a.tar=1 b.tar=2 c.tar=3", "gcc-7=7.4 tzdata=1", descriptor("new")), builder("dave", "", "", unread, status(Missing)))
	two := run(builder("x", "a.tar=1", ""), builder("y", "a.tar=1", ""))
	var b bytes.Buffer
	if err := Page(&b, []*Report{r, two}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPage: one file, nothing fetched, nothing run, all that people said escaped.
func TestPage(t *testing.T) {
	page := pageOf(t)
	for _, bad := range []string{"<script", "http:", "https:", "src=", "@import", "url(", "onload", "javascript", "<link", "<img", "<iframe"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, want := range []string{"default-src 'none'", "&lt;script&gt;", `<span class="tag answer differ">differ</span>`, "gcc-7", "7.4", "7.5", "good, old", "unknown key", "all 2 agree", "Why camp B differs"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// A row of the matrix has a letter for each builder that was compared.
	row := regexp.MustCompile(`(?s)<code>b.tar</code></th>(.*?)</tr>`).FindStringSubmatch(page)
	if row == nil {
		t.Fatal("no row for b.tar")
	}
	var letters []string
	for _, m := range regexp.MustCompile(`<td class="c (\w+)"[^>]*>([^<]*)<`).FindAllStringSubmatch(row[1], -1) {
		letters = append(letters, m[1]+m[2])
	}
	if got := strings.Join(letters, " "); got != "sameA sameA sameA other–" {
		t.Errorf("got %q: the stranger, alice and bob have A, carol has none", got)
	}
}

// TestPageInBrowser: a browser reads the page as we mean it, without a network,
// on a screen and on paper.
func TestPageInBrowser(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("a browser is started only with SATCHEL_FULL=1")
	}
	browser, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		t.Fatalf("%v: scripts/test --full installs it", err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(pageOf(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	chrome := func(args ...string) string {
		args = append([]string{"--no-sandbox", "--disable-gpu", "--user-data-dir=" + filepath.Join(dir, "profile"), "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000"}, args...)
		cmd := exec.Command(browser, append(args, "file://"+file)...)
		var story bytes.Buffer
		cmd.Stderr = &story
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, story.String())
		}
		return string(out)
	}
	dom := chrome("--dump-dom")
	for _, want := range []struct {
		pattern string
		count   int
	}{{`<section class="report"`, 2}, {`<td class="c (same|other)"`, 3*4 + 2}, {`<script`, 0}, {`<tr><td>(alice|bob|carol|dave)</td>`, 4}, {`<table class="packages">`, 1}} {
		if n := len(regexp.MustCompile(want.pattern).FindAllString(dom, -1)); n != want.count {
			t.Errorf("%s is there %d times, want %d\n%s", want.pattern, n, want.count, dom)
		}
	}
	png, pdf := filepath.Join(dir, "page.png"), filepath.Join(dir, "page.pdf")
	chrome("--screenshot="+png, "--window-size=1200,1600")
	chrome("--print-to-pdf="+pdf, "--no-pdf-header-footer")
	for file, magic := range map[string]string{png: "\x89PNG", pdf: "%PDF"} {
		data, err := os.ReadFile(file)
		if err != nil || len(data) < 10000 || !strings.HasPrefix(string(data), magic) {
			t.Errorf("%s: %d bytes, %v", file, len(data), err)
		}
	}
}

// TestPageFails: what cannot be written is an error.
func TestPageFails(t *testing.T) {
	r := run(builder("x", "a=1", ""), builder("y", "a=1", ""))
	if err := Page(failing{}, []*Report{r}); err == nil {
		t.Error("got no error")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }
