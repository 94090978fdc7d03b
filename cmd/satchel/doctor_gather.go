package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"satchel/runner/probe"
)

// gatherProbes are what the connected half takes, which is little: nothing of it
// keeps a bundle from being run, so all are advice. Nobody is asked over a network.
func gatherProbes() []probe.Probe {
	return []probe.Probe{
		{Name: "git", Alone: true, Advice: true, Why: "lock and gather fetch the sources of descriptors that have remotes", Try: tryGit},
		{Name: "archive keys", Alone: true, Advice: true, Why: "what archives say counts only when a key that this machine knows has signed it", Try: tryKeys},
		{Name: "apt sources", Alone: true, Advice: true, Why: "lock and gather take their mirrors first", Try: trySources},
		{Name: "gpg", Alone: true, Advice: true, Why: "attest signs by it, as gsign does", Try: tryGPG},
	}
}

func tryGit(ctx context.Context) (string, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return "", probe.Mend(errors.New("not installed"), probe.Install("git", "git")...)
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", probe.Mend(fmt.Errorf("running %s: %w", path, err), probe.Install("--reinstall git", "git")...)
	}
	return strings.TrimSpace(string(out)), nil
}

func tryKeys(context.Context) (string, error) {
	keys, err := archiveKeys(nil)
	if err != nil {
		return "", probe.Mend(errors.New("this machine has no archive keyring"),
			append(probe.Install("debian-archive-keyring ubuntu-keyring", "debian-keyring ubu-keyring"), probe.Advise("give the keys with --archive-keyring"))...)
	}
	return count(len(keys.Fingerprints()), "key"), nil
}

func trySources(context.Context) (string, error) {
	list, err := machineSources("/etc/apt")
	if err != nil {
		return "", probe.Mend(err, probe.Advise("name mirrors with --mirror"))
	}
	if len(list) == 0 {
		return "", probe.NotNeeded("none: the distributions' own hosts are asked")
	}
	return count(len(list), "line") + " of /etc/apt", nil
}

func tryGPG(context.Context) (string, error) {
	path, err := exec.LookPath("gpg")
	if err != nil {
		return "", probe.NotNeeded("not installed: attest --key signs with a key file, --no-sign elsewhere")
	}
	return path, nil
}

// system is what this machine calls itself, and what it is like (os-release(5)).
func system() (name string, ids []string) {
	name = runtime.GOOS
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			key, value, _ := strings.Cut(s.Text(), "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "PRETTY_NAME":
				name = value
			case "ID", "ID_LIKE":
				ids = append(ids, strings.Fields(value)...)
			}
		}
		break
	}
	return name, ids
}
