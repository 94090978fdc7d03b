package sandbox_test

import (
	"context"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"satchel/runner"
	"satchel/runner/enginetest"
	"satchel/runner/sandbox"
)

// otherUsers gives every container other users of the host.
type otherUsers struct{ *sandbox.Engine }

func (e otherUsers) Start(ctx context.Context, c runner.Container) (runner.Process, error) {
	if !c.Environment.IsZero() { // those that environments are made in are as always
		c.Users = 1 << 30
	}
	return e.Engine.Start(ctx, c)
}

// Root's containers can have other users of the host, and what holds of others holds of them.
func TestOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a container other users")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &st); err != nil || st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		t.Skip("an overlay cannot be mounted with other ids: ", err)
	}
	enginetest.OtherUsers(t, open)
	enginetest.Some(t, func(t *testing.T, init string) runner.Engine { return otherUsers{open(t, init).(*sandbox.Engine)} },
		"keep/changes-stay-outside", "shell/status", "shell/users", "shell/terminal", "shell/signal")
}
