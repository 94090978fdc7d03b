package enginetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"satchel/runner/enginetest/wire"
)

// docs is where the table is that people read, from the folder of an engine.
const docs = "../../docs/conformance.md"

// rowsVar names a file to write the observed rows to, in place of comparing them.
const rowsVar = "SATCHEL_ENGINETEST_ROWS"

// updateVar makes the table what was observed.
const updateVar = "SATCHEL_UPDATE_DOCS"

// Rows are what became of attempts, by name.
type Rows map[string]string

// UseRows is the environment in which a test's program writes its rows to path.
func UseRows(path string) []string { return []string{rowsVar + "=" + path} }

// notTried is the row of an attempt that this kernel gives no occasion for: the table,
// made on another one, stands.
const notTried = "not tried"

// saw notes what became of an attempt.
func (s *suite) saw(name string, r wire.Reply) {
	s.rows[name] = outcome(r)
}

// outcome names what a reply means: the kernel's name of the error.
func outcome(r wire.Reply) string {
	switch {
	case r.Error == "":
		return "allowed"
	case r.Errno != 0:
		if name := unix.ErrnoName(unix.Errno(r.Errno)); name != "" {
			return name
		}
		return fmt.Sprint("error ", r.Errno)
	}
	return "refused"
}

// publish compares the rows with the table, or hands them to who started the program.
func (s *suite) publish(t *testing.T, column string) {
	if path := os.Getenv(rowsVar); path != "" {
		text, err := json.Marshal(s.rows)
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
		return
	}
	CheckTable(t, column, s.rows)
}

// ReadRows reads what UseRows had written.
func ReadRows(t *testing.T, path string) (rows Rows) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &rows)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// CheckTable compares rows with a column of the table in docs/conformance.md: the
// same attempts, and none of them allowed in one place and refused in the other.
// Which error it is may differ from kernel to kernel.
func CheckTable(t *testing.T, column string, rows Rows) {
	t.Helper()
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	before, old, after := parseTable(string(text))
	if os.Getenv(updateVar) != "" {
		old.set(column, rows)
		if err := os.WriteFile(docs, []byte(before+old.String()+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	at := slices.Index(old.columns, column)
	if at < 0 {
		t.Fatalf("%s has no column %q: run the test with %s=1", filepath.Base(docs), column, updateVar)
	}
	for _, name := range sortedKeys(rows) {
		cells, ok := old.cells[name]
		if rows[name] == notTried {
			continue
		}
		if !ok || cells[at] == "" {
			t.Errorf("%s does not tell of %q, which is %s: run the test with %s=1", filepath.Base(docs), name, rows[name], updateVar)
		} else if got, want := rows[name], cells[at]; (got == "allowed") != (want == "allowed") {
			t.Errorf("%s: %s, and %s says %s", name, got, filepath.Base(docs), want)
		}
	}
	for name, cells := range old.cells {
		if _, ok := rows[name]; !ok && cells[at] != "" {
			t.Errorf("%s tells of %q, which is not tried", filepath.Base(docs), name)
		}
	}
}

// A table is Markdown's: the first column is a name.
type table struct {
	columns []string
	cells   map[string][]string
}

// parseTable finds the table between its marks.
func parseTable(text string) (before string, t table, after string) {
	const begin, end = "<!-- attempts -->\n", "<!-- end -->"
	t.cells = map[string][]string{}
	before, rest, _ := strings.Cut(text, begin)
	body, after, _ := strings.Cut(rest, end)
	for n, line := range strings.Split(strings.TrimSpace(body), "\n") {
		f := strings.Split(strings.Trim(line, "| "), "|")
		for i := range f {
			f[i] = strings.Trim(f[i], " `")
		}
		switch {
		case n == 0 && len(f) > 1:
			t.columns = f[1:]
		case n > 1 && len(f) > 1:
			t.cells[f[0]] = append(f[1:], make([]string, max(0, len(t.columns)-len(f)+1))...)
		}
	}
	return before + begin, t, end + after
}

// set replaces a column, or adds it.
func (t *table) set(column string, rows Rows) {
	at := slices.Index(t.columns, column)
	if at < 0 {
		at = len(t.columns)
		t.columns = append(t.columns, column)
	}
	for name := range rows {
		if t.cells[name] == nil && rows[name] != notTried {
			t.cells[name] = []string{}
		}
	}
	for name, cells := range t.cells {
		for len(cells) < len(t.columns) {
			cells = append(cells, "")
		}
		if rows[name] != notTried {
			cells[at] = rows[name]
		}
		t.cells[name] = cells
		if strings.Join(cells, "") == "" {
			delete(t.cells, name)
		}
	}
}

func (t *table) String() string {
	var b strings.Builder
	b.WriteString("| attempt | " + strings.Join(t.columns, " | ") + " |\n|---" + strings.Repeat("|---", len(t.columns)) + "|\n")
	for _, name := range sortedKeys(t.cells) {
		b.WriteString("| " + name + " | " + strings.Join(t.cells[name], " | ") + " |\n")
	}
	return b.String()
}
