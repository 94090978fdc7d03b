package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// errandWord follows InitWord when the program is to do an errand.
const errandWord = "errand"

// An errand is work on files that belong to the container's users. Without
// root, only a process that has these users' ids may do it: this program, once
// more, in a user namespace of its own.
type errand struct {
	Remove  string `json:"remove,omitempty"`  // this folder
	Parent  string `json:"parent,omitempty"`  // in this one
	Measure string `json:"measure,omitempty"` // how much disk this path takes
}

// errandAnswer is what comes back.
type errandAnswer struct {
	Size  int64  `json:"size"`
	Error string `json:"error"`
}

// removeTree is the function of that name, with the rights that it takes.
func (e *Engine) removeTree(parent, name string) error {
	if e.ids == nil {
		return removeTree(parent, name)
	}
	_, err := e.errand(context.Background(), errand{Remove: name, Parent: parent})
	return err
}

// diskSize is likewise.
func (e *Engine) diskSize(ctx context.Context, path string) (int64, error) {
	if e.ids == nil {
		return diskSize(ctx, path)
	}
	answer, err := e.errand(ctx, errand{Measure: path})
	return answer.Size, err
}

// errand runs one and waits for it. It ends with this program.
func (e *Engine) errand(ctx context.Context, what errand) (answer errandAnswer, err error) {
	text, err := json.Marshal(what)
	if err != nil {
		return answer, err
	}
	runtime.LockOSThread() // whose death the kernel takes for this program's
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		return answer, err
	}
	defer w.Close()
	var out, words bytes.Buffer
	c := exec.CommandContext(ctx, "/proc/self/exe", InitWord, errandWord)
	c.Env, c.Dir, c.Stdin, c.Stdout, c.Stderr = []string{}, "/", r, &out, &words
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, AmbientCaps: ambient(), Pdeathsig: syscall.SIGKILL}
	err = c.Start()
	r.Close()
	if err != nil {
		return answer, explain(err)
	}
	err = e.ids.give(c.Process.Pid)
	if err == nil {
		_, err = w.Write(text) // shorter than a pipe holds
	}
	w.Close()
	err = errors.Join(err, c.Wait())
	if err == nil {
		err = json.Unmarshal(out.Bytes(), &answer)
	}
	if err != nil {
		return answer, fmt.Errorf("working on the container's files: %w: %s", err, strings.TrimSpace(words.String()))
	}
	if answer.Error != "" {
		return answer, errors.New(answer.Error)
	}
	return answer, nil
}

// noErrand is the status of a program that was told no errand.
const noErrand = 124

// runErrand does what it reads and says how it went.
func runErrand(in io.Reader, out io.Writer) int {
	var what errand
	var answer errandAnswer
	err := json.NewDecoder(in).Decode(&what)
	switch {
	case err != nil: // its starter has failed, and says why
		return noErrand
	case what.Remove != "":
		err = removeTree(what.Parent, what.Remove)
	case what.Measure != "":
		answer.Size, err = diskSize(context.Background(), what.Measure)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	if json.NewEncoder(out).Encode(answer) != nil {
		return 125
	}
	return 0
}
