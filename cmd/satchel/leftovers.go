package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"satchel/runner"
)

// leftovers are what failed scripts of a run have left, and how to get there.
type leftovers struct {
	bundle, engine, cache string
	flags                 trustFlags
	sudo                  bool
	jobs                  int
	memory                int64

	mu   sync.Mutex
	list []runner.Left
}

// add is the run's Kept.
func (l *leftovers) add(r runner.Left) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r)
}

// tell ends an error with the commands that open a shell there.
func (l *leftovers) tell(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || len(l.list) == 0 {
		return err
	}
	commands := ""
	for _, r := range l.list {
		commands += "\n  " + l.command(r, len(l.list) > 1)
	}
	return fmt.Errorf("%w\nwhat the script left is kept until satchel clean; this opens a shell there:%s", err, commands)
}

// command is what a person types; among several remains it says which.
func (l *leftovers) command(r runner.Left, among bool) string {
	words := []string{"satchel"}
	if l.cache != "" && l.cache != os.Getenv("SATCHEL_CACHE") {
		words = append(words, "--cache", l.cache)
	}
	words = append(words, "shell", l.bundle, "--after-failure")
	if among {
		words = append(words, "--only", r.Descriptor, "--target", r.Target)
	}
	for _, k := range l.flags.Keyring {
		words = append(words, "--keyring", k)
	}
	for _, k := range l.flags.ArchiveKeyring {
		words = append(words, "--archive-keyring", k)
	}
	if l.flags.Threshold != 1 {
		words = append(words, "--threshold", strconv.Itoa(l.flags.Threshold))
	}
	if l.flags.Unsigned {
		words = append(words, "--unsigned")
	}
	if l.engine != "auto" {
		words = append(words, "--engine", l.engine)
	}
	if l.sudo {
		words = append(words, "--allow-sudo")
	}
	if l.jobs != 2 {
		words = append(words, "-j", strconv.Itoa(l.jobs))
	}
	if l.memory != 2000 {
		words = append(words, "-m", strconv.FormatInt(l.memory, 10))
	}
	for i, w := range words {
		words[i] = shellWord(w)
	}
	return strings.Join(words, " ")
}

// shellWord quotes what a shell would take for something else than a word.
func shellWord(w string) string {
	if w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%") == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
