package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table of gitian's contract names, in each row, tests that there are.
func TestContractTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- contract -->\n")
	table, _, _ = strings.Cut(table, "<!-- end -->")
	var tests strings.Builder
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		tests.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(table), "\n")[2:]
	if len(rows) < 20 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, row := range rows {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		named := regexp.MustCompile("`(Test[A-Za-z0-9]+)(/([a-z]+))?`").FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 3 || len(named) == 0 {
			t.Errorf("no test is named by %q", row)
		}
		for _, n := range named {
			_, err := os.Stat("testdata/script/" + n[3] + ".txt")
			part := n[3] == "" || strings.Contains(tests.String(), `t.Run("`+n[3]+`"`) || n[1] == "TestScripts" && err == nil
			if !strings.Contains(tests.String(), "func "+n[1]+"(t *testing.T)") || !part {
				t.Errorf("there is no test %s", n[0])
			}
		}
	}
}
