package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"satchel/runner"
)

// TestExpect: what a run came to, against what was expected of it.
func TestExpect(t *testing.T) {
	result := newResult(t, resultText)
	built := []runner.Built{{Descriptor: "p", Dir: result, Manifest: runner.Output{Path: "p-res.yml"}}}
	assertText := resultText + "- release: 1.0\n- name: p\n- type: build\n- optionals:\n"
	ones := strings.Repeat("1", 64)
	for name, tt := range map[string]struct {
		file, text string
		want       error
		story      string
	}{
		"the same":        {"a.assert", assertText, nil, "Reproduced"},
		"other output":    {"a.assert", strings.Replace(assertText, "1111  a.tar", "1112  a.tar", 1), errDiffer, "1 of 1 outputs differ"},
		"why":             {"a.assert", strings.NewReplacer("1111  a.tar", "1112  a.tar", "gcc-7_7.4", "gcc-7_7.5").Replace(assertText), errDiffer, "gcc-7"},
		"one more":        {"a.assert", strings.Replace(assertText, "'"+ones+"  a.tar\n\n    '", "|\n    "+ones+"  a.tar\n    "+ones+"  b.tar", 1), errDiffer, "b.tar"},
		"sums":            {"all.SHA256SUMS", ones + "  a.tar\n" + strings.Repeat("2", 64) + "  of-another.tar\n", nil, "Reproduced"},
		"other sums":      {"all.SHA256SUMS", strings.Repeat("2", 64) + "  a.tar\n", errDiffer, "a list of sums does not say"},
		"sums of nothing": {"all.SHA256SUMS", ones + "  of-another.tar\n", errDiffer, "a.tar"},
	} {
		file := filepath.Join(t.TempDir(), tt.file)
		if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		all, err := readExpectations([]string{file}, []string{"p", "q"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var out, story bytes.Buffer
		err = meet(&ui{out: &out, err: &story}, all, built)
		if exitCode(err) != exitCode(tt.want) || !strings.Contains(story.String(), tt.story) || out.Len() > 0 {
			t.Errorf("%s: got %v, want %v and %q\n%s%s", name, err, tt.want, tt.story, story.String(), out.String())
		}
		if strings.HasSuffix(file, ".assert") {
			if _, err := readExpectations([]string{file}, []string{"q"}); exitCode(err) != exitUsage {
				t.Errorf("%s: an assert of what is not built: %v", name, err)
			}
		}
	}
}
