package sigs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"satchel/aptmirror"
	"satchel/manifest"
	"satchel/manifest/compare"
)

// maxStatement bounds an assert or a list of sums, in bytes.
const maxStatement = 16 << 20

// Reader reads and checks statements.
type Reader struct {
	FS   fs.FS
	Keys *Keys     // who may sign; nil: nobody is known
	Now  time.Time // the time at which keys and signatures must be valid
}

// Set reads all statements of a set. One that cannot be read is a statement with
// a problem: it must not keep anybody from comparing the others.
func (r Reader) Set(s Set) []compare.Statement {
	all := make([]compare.Statement, len(s.Entries), len(s.Entries)+len(s.More))
	for i, e := range s.Entries {
		all[i] = r.Entry(e)
		if name, sums := strings.CutSuffix(s.Name, sumsMark); sums {
			place(&all[i], s.Release, name)
		} else {
			place(&all[i], s.Release, s.Name)
		}
	}
	return append(all, s.More...)
}

// Entry reads one statement.
func (r Reader) Entry(e Entry) compare.Statement {
	out := compare.Statement{Signer: e.Signer, File: e.File}
	if e.Odd != "" {
		out.Problem = e.Odd
		return out
	}
	doc, err := r.bounded(e.File, maxStatement)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	var sig []byte
	if e.Sig != "" {
		if sig, err = r.bounded(e.Sig, maxSignature); err != nil {
			out.Signature = compare.Signature{Status: compare.Unusable, Note: err.Error()}
		}
	}
	if err == nil {
		out.Signature = r.Keys.Check(doc, sig, r.Now)
	}
	if out.Result, err = ParseStatement(e.File, doc); err != nil {
		out.Problem = err.Error()
	}
	return out
}

// ParseStatement reads an assert, a result or, by its name, a list of sums.
func ParseStatement(name string, doc []byte) (*manifest.Result, error) {
	if strings.HasSuffix(name, "SHA256SUMS") {
		return manifest.ParseSums(name, doc)
	}
	return manifest.ParseResult(name, doc)
}

// bounded reads a file that may have no more than most bytes.
func (r Reader) bounded(name string, most int64) ([]byte, error) {
	f, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: it is no regular file", name)
	}
	if fi.Size() > most {
		return nil, fmt.Errorf("reading %s: it has %d bytes, the limit is %d", name, fi.Size(), most)
	}
	var data bytes.Buffer
	data.Grow(int(fi.Size()) + bytes.MinRead) // else it is copied again and again
	_, err = data.ReadFrom(io.LimitReader(f, most+1))
	if err == nil && int64(data.Len()) > most {
		err = errors.New("it grows while it is read")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return data.Bytes(), nil
}

// Compare compares every set, several at once, and hands the reports on in the
// order of sets. It holds no more statements than it works on.
func (r Reader) Compare(ctx context.Context, sets []Set, workers int, each func(*compare.Report) error) error {
	reports := make([]*compare.Report, len(sets))
	done := make([]chan struct{}, len(sets))
	for i := range done {
		done[i] = make(chan struct{})
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	next := make(chan int)
	for range max(workers, 1) {
		wg.Go(func() {
			for i := range next {
				reports[i] = compare.Compare(sets[i].Release, sets[i].Name, r.Set(sets[i]), aptmirror.CompareVersions)
				close(done[i])
			}
		})
	}
	wg.Go(func() {
		defer close(next)
		for i := range sets {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for i := range sets {
		select {
		case <-done[i]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := each(reports[i]); err != nil {
			return err
		}
		reports[i] = nil
	}
	return nil
}
