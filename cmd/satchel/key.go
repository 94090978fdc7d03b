package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"satchel/bundle"
	"satchel/bundle/agent"
)

// signer makes a signer of a private key file, or of a .pub file whose key the
// user's ssh-agent holds.
func signer(ctx context.Context, name string) (bundle.Signer, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, ".pub") {
		return bundle.SSHSigner(text, func() ([]byte, error) { return askPassphrase(name) })
	}
	conn, err := agent.Dial(ctx, os.Getenv("SSH_AUTH_SOCK")) // open until the program ends
	if err != nil {
		return nil, fmt.Errorf("a .pub file means a key of the ssh-agent: %w", err)
	}
	return bundle.AgentSigner(conn, text)
}

// askPassphrase asks on the terminal, never on a pipe.
func askPassphrase(name string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("the key has a passphrase and there is no terminal to ask for it: add it to the ssh-agent and give the .pub file")
	}
	defer tty.Close()
	fmt.Fprintf(tty, "Passphrase for %s: ", name)
	defer fmt.Fprintln(tty)
	return term.ReadPassword(int(tty.Fd()))
}
