package sandbox

import (
	"fmt"
	"path/filepath"

	"satchel/runner"
)

// lay makes the folders that the container's root consists of.
func (e *Engine) lay(r *run, c runner.Container) (*boot, error) {
	b := &boot{Init: e.copied, Hostname: c.Hostname, Uptime: c.Uptime, Sudo: e.sudo, UserNS: e.ids != nil || inUserNamespace() || c.Users > 0}
	if c.Environment.IsZero() {
		var err error
		b.Root, err = r.mkdir(rootName, 0o755)
		return b, err
	}
	whole := false
	if c.Remains != "" {
		held, left, err := e.holdRemains(c.Remains)
		if err != nil {
			return nil, err
		}
		r.uses = append(r.uses, held)
		if left.Environment.Key != c.Environment {
			return nil, fmt.Errorf("%s was left on another environment, %s", c.Remains, left.Environment.Key.Hex())
		}
		if whole = left.Whole; whole {
			b.Lower = e.path(failedName, c.Remains, rootName)
		} else {
			b.Above = e.path(failedName, c.Remains, upperName)
		}
	}
	if !whole {
		held, err := e.hold(c.Environment)
		if err != nil {
			return nil, err
		}
		r.uses = append(r.uses, held)
		b.Lower = e.path("environments", c.Environment.Hex(), rootName)
	}
	return b, b.layers(r)
}

// layTrial lays an empty environment, for a container that starts nothing.
func (e *Engine) layTrial(r *run, c runner.Container) (*boot, error) {
	b := &boot{Init: e.copied, Hostname: c.Hostname, Sudo: e.sudo, UserNS: e.ids != nil || inUserNamespace(), Rehearse: true}
	var err error
	if b.Lower, err = r.mkdir(rootName, 0o755); err != nil {
		return nil, err
	}
	return b, b.layers(r)
}

// layers makes the folders of an overlay in the run's own; those that Leave keeps in one of
// them, which belongs to this user whatever becomes of what is in it.
func (b *boot) layers(r *run) (err error) {
	if _, err = r.mkdir(remainsName, 0o700); err != nil {
		return err
	}
	if b.Root, err = r.mkdir(filepath.Join(remainsName, mergedName), 0o755); err != nil {
		return err
	}
	if b.Upper, err = r.mkdir(filepath.Join(remainsName, upperName), 0o755); err != nil {
		return err
	}
	b.Work, err = r.mkdir("work", 0o700)
	return err
}
