package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"satchel/manifest"
)

// maxDocument bounds a text document, in bytes.
const maxDocument = 64 << 20

type inspectCmd struct {
	File string `arg:"" type:"existingfile" help:"A descriptor, lock, bundle, result or assert."`
	JSON bool   `name:"json" help:"Print JSON, as docs/*.schema.json describe it."`
}

// Run reads the file strictly, so that the exit code says whether it is sound.
func (c *inspectCmd) Run(ctx context.Context, ui *ui) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading %s: %w", c.File, err)
	}
	view, err := c.view(ctx, ui, f, head[:n])
	if err != nil {
		return err
	}
	if !c.JSON {
		return view.table(ui.out)
	}
	return ui.json(view.value)
}

// view is a document as a value for programs and a table for people.
type view struct {
	value any
	table func(w io.Writer) error
}

// isLock and isResult tell documents apart by their first key.
var (
	isLock   = regexp.MustCompile(`(?m)^satchel-lock\s*:`)
	isNeeds  = regexp.MustCompile(`(?m)^satchel-needs\s*:`)
	isResult = regexp.MustCompile(`(?m)^(--- *!!?omap|- *['"]?(out_manifest|in_manifest)['"]? *:)`)
)

func (c *inspectCmd) view(ctx context.Context, ui *ui, f *os.File, head []byte) (view, error) {
	if bytes.HasPrefix(head, []byte("oci-layout\x00")) {
		return c.bundle(ctx, ui)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return view{}, err
	}
	fi, err := f.Stat()
	var text []byte
	if err == nil && fi.Size() <= maxDocument {
		text, err = io.ReadAll(io.LimitReader(f, maxDocument+1))
	}
	if err != nil {
		return view{}, fmt.Errorf("reading %s: %w", c.File, err)
	}
	if max(fi.Size(), int64(len(text))) > maxDocument {
		return view{}, fmt.Errorf("reading %s: it is larger than %s: neither a bundle nor a text that satchel reads", c.File, bytesText(maxDocument))
	}
	switch {
	case isLock.Match(text):
		lock, err := manifest.ParseLock(c.File, text)
		return view{lock, func(w io.Writer) error { return lockTable(w, lock) }}, err
	case isNeeds.Match(text):
		n, err := manifest.ParseNeeds(c.File, text)
		return view{n, func(w io.Writer) error { return needsTable(w, n) }}, err
	case isResult.Match(text), strings.HasSuffix(c.File, ".assert"):
		r, err := manifest.ParseResult(c.File, text)
		return view{r, func(w io.Writer) error { return resultTable(w, r) }}, err
	}
	d, err := manifest.ParseDescriptor(c.File, text)
	return view{d, func(w io.Writer) error { return descriptorTable(w, d) }}, err
}

// bundle checks that a bundle is whole, whoever signed it.
func (c *inspectCmd) bundle(ctx context.Context, ui *ui) (view, error) {
	v, report, err := open(ctx, ui, c.File, trustFlags{Unsigned: true, Threshold: 1})
	if err != nil {
		return view{}, err
	}
	defer v.Close()
	lock := v.Lock()
	b := manifest.BundleView{
		Identity: report.Identity.String(), Size: report.Size, Signatures: []manifest.SignatureView{},
		Lock: lock, Targets: lock.Targets, Blobs: lock.Blobs(),
	}
	for _, s := range report.Signatures {
		b.Signatures = append(b.Signatures, manifest.SignatureView{Kind: "ssh", KeyFingerprint: s.Fingerprint})
	}
	return view{b, func(w io.Writer) error { return bundleTable(w, b) }}, nil
}
