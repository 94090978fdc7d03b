package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"satchel/bundle/source/pack"
)

// batch reads objects through one git cat-file; it is a pack.Objects.
type batch struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	in     *bufio.Writer
	out    *bufio.Reader
	stderr *tail
	asked  []pack.ID // in order, not yet answered
}

// batch starts git cat-file with how it is to answer: "--batch", or
// "--batch-check" for answers without content.
func (g *repository) batch(ctx context.Context, how string) (*batch, error) {
	b := &batch{cmd: g.command(ctx, "cat-file", how), stderr: &tail{}}
	b.cmd.Stderr = b.stderr
	var err error
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.in, b.out = bufio.NewWriter(b.stdin), bufio.NewReaderSize(out, 1<<18)
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting git: %w", err)
	}
	return b, nil
}

// Ask sends a request. Not more than pack.MaxAsked may be unanswered.
func (b *batch) Ask(id pack.ID) error {
	b.asked = append(b.asked, id)
	if _, err := b.in.WriteString(id.String() + "\n"); err != nil {
		return b.failed(err)
	}
	return nil
}

// Next begins the next answer: type and size of the object asked for first.
// Its content must then be read with Content.
func (b *batch) Next() (id pack.ID, k pack.Kind, size int64, err error) {
	if err := b.in.Flush(); err != nil {
		return id, 0, 0, b.failed(err)
	}
	id = b.asked[0]
	b.asked = b.asked[1:]
	line, err := b.out.ReadString('\n')
	if err != nil {
		return id, 0, 0, b.failed(err)
	}
	f := strings.Fields(line)
	if len(f) == 2 && f[1] == "missing" {
		return id, 0, 0, fmt.Errorf("reading object %s: it is missing: %w", id, ErrIncomplete)
	}
	if len(f) != 3 || f[0] != id.String() {
		return id, 0, 0, fmt.Errorf("reading object %s: git answered %.200q", id, line)
	}
	if k, err = pack.ParseKind(f[1]); err != nil {
		return id, 0, 0, err
	}
	if size, err = strconv.ParseInt(f[2], 10, 64); err != nil || size < 0 || size > pack.MaxObject {
		return id, 0, 0, fmt.Errorf("reading object %s: a size of %.30q bytes: %w", id, f[2], ErrRefused)
	}
	return id, k, size, nil
}

// Content hands size bytes to fn, which must read them all, and then takes the
// newline that ends an answer.
func (b *batch) Content(size int64, fn func(r io.Reader) error) error {
	lr := &io.LimitedReader{R: b.out, N: size}
	if err := fn(lr); err != nil {
		return err
	}
	if lr.N != 0 {
		return b.failed(io.ErrUnexpectedEOF)
	}
	if c, err := b.out.ReadByte(); err != nil || c != '\n' {
		return b.failed(errors.Join(errors.New("git's answer has no end"), err))
	}
	return nil
}

// object reads one object whole, when no other request is under way.
func (b *batch) object(id pack.ID, want pack.Kind) ([]byte, error) {
	if err := b.Ask(id); err != nil {
		return nil, err
	}
	_, k, size, err := b.Next()
	if err != nil {
		return nil, err
	}
	if k != want || size > pack.MaxParsed {
		return nil, fmt.Errorf("reading object %s: a %s of %d bytes, want a %s", id, k, size, want)
	}
	return pack.ReadContent(b, size)
}

func (b *batch) failed(err error) error {
	return fmt.Errorf("reading objects: %w%s", err, b.stderr.suffix())
}

// close ends git.
func (b *batch) close() error {
	b.stdin.Close()
	_, copyErr := io.Copy(io.Discard, b.out)
	if err := b.cmd.Wait(); err != nil {
		return b.failed(err)
	}
	return copyErr
}
