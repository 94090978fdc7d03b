package manifest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// rooms are the packages of the module in the order in which they may import
// each other: only from a higher level to a lower one or within one room.
var rooms = []struct {
	dir   string
	level int
}{
	{"manifest", 0},
	{"aptmirror", 1}, {"imagestore", 1},
	{"bundle", 2},
	{"runner", 3},
	{"cmd", 4},
}

// rule says which directories may import a package, and that nobody else may. A
// directory that ends in /... stands for all below it, too.
type rule struct {
	imports []string // import paths; with a trailing / all below, too
	in      []string // directories
	tests   bool     // test files anywhere may, too, and packages for tests
	why     string
}

// pureNet are the packages below net/ that only read and write texts.
var pureNet = []string{"net/url", "net/mail", "net/netip", "net/textproto"}

var networkDirs = []string{"aptmirror/fetch", "imagestore/pull", "bundle/source", "bundle/agent", "runner/docker", "runner/guest", "runner/guest/watch"}

var importRules = []rule{
	{
		imports: []string{"net", "net/", "crypto/tls", "golang.org/x/net/", "github.com/miekg/dns",
			"github.com/google/go-containerregistry/pkg/v1/remote", "github.com/google/go-containerregistry/pkg/v1/remote/",
			"github.com/google/go-containerregistry/pkg/v1/daemon", "github.com/google/go-containerregistry/pkg/v1/google",
			"github.com/google/go-containerregistry/pkg/crane", "github.com/google/go-containerregistry/pkg/registry",
			"github.com/google/go-containerregistry/pkg/authn",
			"github.com/go-git/go-git/v5/plumbing/transport", "github.com/go-git/go-git/v5/plumbing/transport/"},
		in: networkDirs, tests: true, why: "reaches a network",
	},
	{imports: []string{"os/exec"}, in: []string{"bundle/source", "runner/...", "cmd/..."}, tests: true, why: "starts programs"},
	{imports: []string{"github.com/docker/"}, in: []string{"runner/docker"}, why: "is the docker client"},
	{imports: []string{"github.com/alecthomas/kong"}, in: []string{"cmd/..."}, why: "is for the command line"},
	{imports: []string{"gopkg.in/yaml.v3"}, in: []string{"manifest"}, why: "reads documents"},
	{imports: []string{"github.com/google/go-containerregistry/"}, in: []string{"imagestore", "imagestore/pull", "bundle"}, tests: true, why: "is for images"},
	{imports: []string{"github.com/mholt/archiver/v4"}, in: []string{"imagestore"}, why: "reads foreign tarballs"},
	{imports: []string{"github.com/ProtonMail/"}, in: []string{"aptmirror", "bundle/sigs"}, tests: true, why: "checks OpenPGP signatures"},
}

// pureRooms do nothing but compute: they see no environment and no clock.
var pureRooms = []string{"manifest", "aptmirror", "aptmirror/deb", "imagestore"}

var impureCalls = map[string][]string{
	"os":   {"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Exit", "Hostname", "Getwd", "Getuid"},
	"time": {"Now", "Since", "Until", "Sleep", "After", "Tick", "NewTimer", "NewTicker"},
}

// checkImports returns every breach of the rules in a tree of Go sources.
func checkImports(tree fs.FS) ([]string, error) {
	var bad []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := path.Base(name); d.IsDir() && name != "." && (base == "testdata" || base[0] == '.' || base[0] == '_') {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			return nil // does not compile: the compiler says so better
		}
		bad = append(bad, checkFile(name, f)...)
		return nil
	})
	slices.Sort(bad)
	return bad, err
}

func checkFile(name string, f *ast.File) []string {
	dir := path.Dir(name)
	test := strings.HasSuffix(name, "_test.go") || forTests(dir)
	var bad []string
	local := map[string]string{} // name in this file of a package with impure calls
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if _, ok := impureCalls[p]; ok {
			as := p
			if spec.Name != nil {
				as = spec.Name.Name
			}
			local[as] = p
		}
		if why := forbidden(dir, p, test); why != "" {
			bad = append(bad, fmt.Sprintf("%s imports %s: %s", name, p, why))
		}
	}
	if !test && slices.Contains(pureRooms, dir) {
		bad = append(bad, impure(name, f, local)...)
	}
	return bad
}

// forbidden says why files of dir must not import p, or "".
func forbidden(dir, p string, test bool) string {
	if own, ok := strings.CutPrefix(p, "satchel/"); ok {
		if !test && forTests(own) {
			return "it is for tests alone"
		}
		return forbiddenRoom(dir, own)
	}
	if slices.Contains(pureNet, p) {
		return ""
	}
	for _, r := range importRules {
		if !slices.ContainsFunc(r.imports, func(s string) bool {
			return p == s || strings.HasSuffix(s, "/") && (strings.HasPrefix(p, s) || p+"/" == s)
		}) {
			continue
		}
		if test && r.tests || slices.ContainsFunc(r.in, func(s string) bool { return within(dir, s) }) {
			continue
		}
		return "it " + r.why + "; that is for " + strings.Join(r.in, ", ")
	}
	return ""
}

// forTests: packages that only tests use say so in their names.
func forTests(dir string) bool {
	return slices.ContainsFunc(strings.Split(dir, "/"), func(part string) bool { return strings.HasSuffix(part, "test") })
}

func within(dir, s string) bool {
	if top, ok := strings.CutSuffix(s, "/..."); ok {
		return dir == top || strings.HasPrefix(dir, top+"/")
	}
	return dir == s
}

// forbiddenRoom keeps imports pointing one way, in tests, too.
func forbiddenRoom(dir, own string) string {
	from, to := room(dir), room(own)
	switch {
	case from < 0:
		return "" // scripts and examples
	case to < 0:
		return "it is in no room"
	case rooms[from].dir == rooms[to].dir:
		return ""
	case rooms[from].level <= rooms[to].level:
		return fmt.Sprintf("%s must not know %s", rooms[from].dir, rooms[to].dir)
	}
	return ""
}

func room(dir string) int {
	return slices.IndexFunc(rooms, func(r struct {
		dir   string
		level int
	}) bool {
		return within(dir, r.dir+"/...")
	})
}

// impure lists uses of the environment and the clock. time.Time itself is fine.
func impure(name string, f *ast.File, local map[string]string) []string {
	var bad []string
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && slices.Contains(impureCalls[local[x.Name]], s.Sel.Name) {
			bad = append(bad, fmt.Sprintf("%s uses %s.%s: %s is pure", name, local[x.Name], s.Sel.Name, path.Dir(name)))
		}
		return true
	})
	return bad
}

func TestImports(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(mod, []byte("module satchel\n")) {
		t.Fatal("this is not where the module is")
	}
	bad, err := checkImports(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bad {
		t.Error(b)
	}
}

// TestImportsPlanted shows that each rule bites.
func TestImportsPlanted(t *testing.T) {
	for _, tt := range []struct{ file, src, want string }{
		{"manifest/a.go", `import "satchel/bundle"`, "manifest must not know bundle"},
		{"manifest/a_test.go", `import "satchel/aptmirror"`, "manifest must not know aptmirror"},
		{"aptmirror/a.go", `import "satchel/imagestore"`, "aptmirror must not know imagestore"},
		{"imagestore/pull/a.go", `import "satchel/aptmirror/deb"`, "imagestore must not know aptmirror"},
		{"bundle/gather/a.go", `import "satchel/runner"`, "bundle must not know runner"},
		{"runner/guest/a.go", `import _ "satchel/cmd/satchel"`, "runner must not know cmd"},
		{"cmd/satchel/a.go", `import "satchel/common"`, "it is in no room"},
		{"manifest/a.go", `import n "net"`, "reaches a network"},
		{"bundle/gather/a.go", `import "net/http"`, "reaches a network"},
		{"bundle/gather/a.go", `import "net/url"`, ""},
		{"runner/sandbox/a.go", `import "net"`, "reaches a network"},
		{"runner/sandbox/a_test.go", `import "net"`, ""},
		{"runner/enginetest/probe/a.go", `import "net"`, ""},
		{"aptmirror/archivetest/a.go", `import "net/http/httptest"`, ""},
		{"aptmirror/archivetest/a.go", `import "satchel/bundle"`, "aptmirror must not know bundle"},
		{"aptmirror/a.go", `import "satchel/aptmirror/archivetest"`, "for tests alone"},
		{"aptmirror/a_test.go", `import "satchel/aptmirror/archivetest"`, ""},
		{"runner/a.go", `import "satchel/runner/enginetest/wire"`, "for tests alone"},
		{"runner/docker/a.go", `import "net"`, ""},
		{"bundle/a.go", `import "github.com/google/go-containerregistry/pkg/v1/remote"`, "reaches a network"},
		{"bundle/gather/a.go", `import "os/exec"`, "starts programs"},
		{"aptmirror/fetch/a.go", `import "os/exec"`, "starts programs"},
		{"runner/sandbox/a.go", `import "os/exec"`, ""},
		{"runner/a.go", `import "github.com/docker/docker/client"`, "docker client"},
		{"runner/a.go", `import "github.com/alecthomas/kong"`, "command line"},
		{"bundle/a.go", `import "gopkg.in/yaml.v3"`, "reads documents"},
		{"runner/a.go", `import "github.com/google/go-containerregistry/pkg/v1"`, "is for images"},
		{"bundle/a.go", `import "github.com/mholt/archiver/v4"`, "tarballs"},
		{"bundle/a.go", `import "github.com/ProtonMail/go-crypto/openpgp"`, "OpenPGP"},
		{"manifest/a.go", "import \"os\"\nvar X = os.Getenv(\"X\")", "os.Getenv"},
		{"imagestore/a.go", "import clock \"time\"\nvar X = clock.Now", "time.Now"},
		{"imagestore/a.go", "import \"time\"\nvar X = time.Unix(0, 0)", ""},
		{"imagestore/pull/a.go", "import \"time\"\nvar X = time.Now", ""},
		{"testdata/a.go", `import "os/exec"`, ""},
	} {
		got, err := checkImports(fstest.MapFS{tt.file: {Data: []byte("package a\n" + tt.src + "\n")}})
		if err != nil {
			t.Fatal(err)
		}
		switch all := strings.Join(got, "\n"); {
		case tt.want == "" && all != "":
			t.Errorf("%s with %s: got %q, want nothing", tt.file, tt.src, all)
		case !strings.Contains(all, tt.want):
			t.Errorf("%s with %s: got %q, want %q", tt.file, tt.src, all, tt.want)
		}
	}
}
