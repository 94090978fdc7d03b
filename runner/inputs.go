package runner

import (
	"archive/tar"
	"fmt"

	"satchel/runner/guest"
)

// inputs returns what sends the entries that plan names, in its order.
func (r *Run) inputs(plan guest.Build, keep *buildCache) func(*tar.Writer) error {
	return func(tw *tar.Writer) error {
		for i, s := range plan.Sources {
			if err := sendBlob(tw, r.Source, fmt.Sprintf("source/%d", i), s.Pack); err != nil {
				return err
			}
			for j, m := range s.Submodules {
				if err := sendBlob(tw, r.Source, fmt.Sprintf("source/%d/%d", i, j), m.Pack); err != nil {
					return err
				}
			}
		}
		for i, f := range plan.Files {
			if err := sendBlob(tw, r.Source, fmt.Sprintf("file/%d", i), f.Blob); err != nil {
				return err
			}
		}
		return keep.send(tw)
	}
}
