package compare

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

// Page writes reports as one HTML file that needs nothing else: no network, no
// script. It reads well on paper and without colours: camps are letters.
func Page(w io.Writer, reports []*Report) error {
	page, err := template.New("page").Funcs(template.FuncMap{
		"short":  shortHash,
		"camp":   func(r *Report, b Builder, path string) cell { return cellOf(r, b, path) },
		"counts": func(s Status) bool { return s.Counts() },
		"add":    func(a, b int) int { return a + b },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("writing page: %w", err)
	}
	if err := page.Execute(w, reports); err != nil {
		return fmt.Errorf("writing page: %w", err)
	}
	return nil
}

func shortHash(s string) string {
	switch {
	case s == "":
		return "none"
	case len(s) > 12:
		return s[:12]
	}
	return s
}

// cell is one field of the agreement matrix: the first camp that has the same.
type cell struct {
	Letter string
	Hash   string
	Same   bool // as the first camp
}

func cellOf(r *Report, b Builder, path string) cell {
	for i, k := range r.Camps {
		if k.Letter != b.Camp {
			continue
		}
		for _, o := range r.Outputs {
			if o.Path != path {
				continue
			}
			if o.Sums[i] == "" {
				return cell{Letter: "–", Same: o.Sums[0] == ""}
			}
			for j := range o.Sums {
				if o.Sums[j] == o.Sums[i] {
					return cell{Letter: letter(j), Hash: o.Sums[i], Same: o.Sums[i] == o.Sums[0]}
				}
			}
		}
	}
	return cell{Letter: ""}
}
