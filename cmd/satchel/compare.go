package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"satchel/bundle/sigs"
	"satchel/manifest/compare"
	"satchel/runner"
)

type compareCmd struct {
	What      []string `arg:"" type:"path" help:"Results, asserts or lists of sums; or the folder of a gitian.sigs tree, of one release or of all."`
	Threshold int      `help:"How many independent signers must have signed the same outputs; with a keyring, 1." placeholder:"N"`
	JSON      bool     `name:"json" help:"Print the comparison as JSON."`
	HTML      string   `name:"html" help:"Write the comparison to a page, too." placeholder:"FILE"`
	sigsFlags
}

// sigsFlags say whose signatures on asserts count.
type sigsFlags struct {
	Keyring []string `help:"Who may sign: OpenPGP keyrings, ssh allowed_signers, .pub keys; or a folder of them, each called by its owner." type:"path" placeholder:"FILE|DIR" sep:"none"`
}

// compared is what --json prints.
type compared struct {
	Answer    compare.Answer    `json:"answer"`    // the worst of all
	Threshold int               `json:"threshold"` // 0: signatures were not asked for
	Reports   []*compare.Report `json:"reports"`
	// Inside is of two results with their out folders beside them.
	Inside []runner.Inside `json:"inside,omitempty"`
}

// Run compares, prints, and ends with the exit code that says how it came out.
func (c *compareCmd) Run(ctx context.Context, ui *ui) error {
	switch {
	case c.Threshold != 0 && len(c.Keyring) == 0:
		return fmt.Errorf("%w: --threshold counts the signatures of a keyring: give one with --keyring", errUsage)
	case c.Threshold < 0:
		return fmt.Errorf("%w: --threshold must be 1 or more", errUsage)
	case c.Threshold == 0 && len(c.Keyring) > 0:
		c.Threshold = 1
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	reader := sigs.Reader{Keys: keys, Now: time.Now()}
	sets, closeTree, err := c.sets(&reader)
	if err != nil {
		return err
	}
	defer closeTree()
	out := compared{Answer: compare.Agree, Threshold: c.Threshold, Reports: []*compare.Report{}}
	err = reader.Compare(ctx, sets, runtime.GOMAXPROCS(0), func(r *compare.Report) error {
		out.Reports = append(out.Reports, r)
		if !c.JSON {
			return reportTable(ui.out, r, len(sets) == 1 || r.Answer == compare.Differ)
		}
		return nil
	})
	if err != nil {
		return err
	}
	out.Answer = worst(out.Reports)
	if out.Inside, err = inside(ctx, sets, out.Reports); err != nil {
		return err
	}
	if c.JSON {
		if err := ui.json(out); err != nil {
			return err
		}
	} else if err := printInside(ui, out.Inside); err != nil {
		return err
	}
	if c.HTML != "" {
		if err := writePage(c.HTML, out.Reports); err != nil {
			return err
		}
	}
	if len(c.Keyring) == 0 {
		ui.Step("No keyring was given: who signed was not checked.")
	}
	return verdict(out)
}

// worst is the answer that matters most.
func worst(reports []*compare.Report) compare.Answer {
	for _, a := range []compare.Answer{compare.Differ, compare.Incomparable, compare.Alone} {
		if slices.ContainsFunc(reports, func(r *compare.Report) bool { return r.Answer == a }) {
			return a
		}
	}
	return compare.Agree
}

// verdict is the error that a comparison ends with.
func verdict(c compared) error {
	for _, r := range c.Reports {
		for _, b := range r.Builders {
			if b.Signature.Status == compare.Bad {
				return fmt.Errorf("%w: %s: the signature of %s is bad: %s", errNotVouched, b.File, b.Signer, b.Signature.Note)
			}
		}
		if c.Threshold > 0 && r.Vouching < c.Threshold {
			early := 0
			for _, b := range r.Builders {
				if b.Signature.Status == compare.Future {
					early++
				}
			}
			return fmt.Errorf("%w: %s: %d of %d good signatures on the same outputs%s", errNotVouched, label(r), r.Vouching, c.Threshold, clockHint(early))
		}
	}
	for _, r := range c.Reports {
		if r.Answer != c.Answer {
			continue
		}
		switch {
		case r.Answer == compare.Differ:
			return fmt.Errorf("%w: %s: %s", errDiffer, label(r), r.Text)
		case r.Answer == compare.Incomparable, r.Answer == compare.Alone && c.Threshold == 0:
			return fmt.Errorf("%w: %s: %s", errIncomparable, label(r), r.Text)
		}
	}
	return nil
}

// clockHint says what may be wrong when signatures are from the future.
func clockHint(signatures int) string {
	if signatures == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d from the future: this machine's clock says %s; is it right?)", signatures, time.Now().UTC().Format(time.DateOnly))
}

// label names what a report is about.
func label(r *compare.Report) string {
	if s := strings.TrimSpace(r.Release + " " + r.Name); s != "" {
		return s
	}
	return "the results"
}

// writePage writes the comparison for people.
func writePage(name string, reports []*compare.Report) error {
	var page bytes.Buffer
	if err := compare.Page(&page, reports); err != nil {
		return err
	}
	return writeFile(name, page.Bytes())
}
