package sandbox

import "satchel/runner"

// lay makes the folders that the container's root consists of.
func (e *Engine) lay(r *run, c runner.Container) (*boot, error) {
	b := &boot{Init: e.copied, Hostname: c.Hostname, Uptime: c.Uptime, Sudo: e.sudo, UserNS: e.ids != nil || inUserNamespace()}
	if c.Environment.IsZero() {
		var err error
		b.Root, err = r.mkdir(rootName, 0o755)
		return b, err
	}
	var err error
	if r.uses, err = e.hold(c.Environment); err != nil {
		return nil, err
	}
	b.Lower = e.path("environments", c.Environment.Hex(), rootName)
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

// layers makes the folders of an overlay in the run's own.
func (b *boot) layers(r *run) (err error) {
	if b.Root, err = r.mkdir("merged", 0o755); err != nil {
		return err
	}
	if b.Upper, err = r.mkdir("upper", 0o755); err != nil {
		return err
	}
	b.Work, err = r.mkdir("work", 0o700)
	return err
}
