// Package agent connects to the user's ssh-agent, a socket of this machine. It
// is a room of its own so that package bundle opens no connection of any kind.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// Dial connects to the agent at the socket path, what SSH_AUTH_SOCK holds.
func Dial(ctx context.Context, path string) (io.ReadWriteCloser, error) {
	if path == "" {
		return nil, errors.New("there is no ssh-agent: SSH_AUTH_SOCK is not set")
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("asking the ssh-agent: %w", err)
	}
	return conn, nil
}
