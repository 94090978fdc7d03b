//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
)

// mergedLinks are the top-level links of every merged-/usr system.
var mergedLinks = [...]string{"bin", "sbin", "lib"}

// bootstrap makes the environment from packages alone.
func (p *preparer) bootstrap(ctx context.Context, in *tar.Reader) error {
	p.frames.Step("Receiving %d packages", len(p.plan.Packages))
	outer := ctx // of the preparation
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st := newStager(ctx, p.plan.Epoch)
	defer func() {
		cancel()
		_ = st.wait()
	}()
	all, err := p.receive(ctx, in, p.tree.at(spoolDir), st.add)
	if err != nil {
		return err
	}
	whole := waves(all)
	parts := lightFirst(whole)
	st.arrange(parts)
	if err := p.skeleton(); err != nil {
		return err
	}
	placer := newPlacer(p.tree)
	p.time = func(name string, _ int64) int64 {
		if t, ok := placer.shipped[name]; ok {
			return t
		}
		return p.plan.Epoch
	}
	failed := make(chan error, 1)
	go func() { failed <- st.wait() }()
	for w, wave := range parts {
		if err := waitStaged(ctx, wave, failed); err != nil {
			return err
		}
		p.frames.Step("Installing packages, part %d of %d (%d packages)", w+1, len(parts), len(wave))
		placer.rest = len(parts) > len(whole) && w == len(parts)-1
		if err := p.wave(ctx, placer, wave, w == 0); err != nil {
			return err
		}
		if rest := parts[w+1:]; len(rest) > 0 && leaveLocales(rest) {
			p.startLocale(outer)
		}
	}
	return p.dropEmptyLinks(placer)
}

// dropEmptyLinks removes the links of word sizes of which no package came, as
// mmdebstrap and the usrmerge package do.
func (p *preparer) dropEmptyLinks(pl *placer) error {
	for _, l := range extraLinks(p.plan) {
		target, err := os.Readlink(p.tree.at(l))
		if err != nil || target != "usr/"+l || pl.owner[l] != nil {
			continue // it is a package's
		}
		if os.Remove(p.tree.at("usr/"+l)) != nil {
			continue // it is not empty
		}
		if err := os.Remove(p.tree.at(l)); err != nil {
			return fmt.Errorf("removing an unused link: %w", err)
		}
	}
	return nil
}

// extraLinks are the directories of other word sizes that a package of the
// architecture may ship.
func extraLinks(plan *Prepare) []string {
	switch {
	case !plan.MergedUsr:
		return nil
	case plan.Architecture == "amd64":
		return []string{"lib32", "lib64", "libx32"}
	case plan.Architecture == "i386":
		return []string{"lib64", "libx32"}
	case plan.Architecture == "ppc64el" || plan.Architecture == "loong64":
		return []string{"lib64"}
	}
	return nil
}

// waitStaged waits until a wave lies ready or staging has failed.
func waitStaged(ctx context.Context, wave []*staged, failed chan error) error {
	for _, s := range wave {
		select {
		case <-s.ready:
		case err := <-failed:
			failed <- err // for the packages after this one
			if err != nil {
				return err
			}
			<-s.ready
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// skeleton makes what has to be there before the first package.
func (p *preparer) skeleton() error {
	if err := initDatabase(p.tree, p.plan.Architecture, p.plan.Foreign); err != nil {
		return err
	}
	if !p.plan.MergedUsr {
		return nil
	}
	for _, l := range append(mergedLinks[:len(mergedLinks):len(mergedLinks)], extraLinks(p.plan)...) {
		if err := p.tree.mkdirs("usr/" + l); err != nil {
			return fmt.Errorf("making the links into /usr: %w", err)
		}
		if err := os.Symlink("usr/"+l, p.tree.at(l)); err != nil {
			return fmt.Errorf("making the links into /usr: %w", err)
		}
	}
	return nil
}

// wave unpacks and configures one wave.
func (p *preparer) wave(ctx context.Context, pl *placer, wave []*staged, first bool) (err error) {
	allow, err := p.runner.denyServices()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, allow()) }()
	if !first {
		if err := p.preinsts(ctx, wave); err != nil {
			return err
		}
	}
	if err := p.readSystem(pl, wave); err != nil {
		return err
	}
	pl.fresh = first
	if err := pl.startTriggers(); err != nil {
		return err
	}
	for _, s := range wave {
		if err := pl.place(ctx, s); err != nil {
			return err
		}
	}
	if err := record(p.tree, wave); err != nil {
		return err
	}
	if err := pl.triggers.record(p.tree); err != nil {
		return err
	}
	if err := pl.relist(); err != nil {
		return err
	}
	if first {
		if err := p.firstScripts(ctx, wave); err != nil {
			return err
		}
	}
	return p.runner.configureAll(ctx)
}

// preinsts runs the scripts of a wave in the plan's order.
func (p *preparer) preinsts(ctx context.Context, wave []*staged) error {
	for _, s := range wave {
		if err := p.runner.preinst(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// firstScripts runs the preinsts of the packages that had to be unpacked
// before anything could run. base-passwd goes first and is configured at
// once: all others may need its users.
func (p *preparer) firstScripts(ctx context.Context, wave []*staged) error {
	for _, s := range wave {
		if s.Name != "base-passwd" {
			continue
		}
		if err := p.runner.preinst(ctx, s); err != nil {
			return err
		}
		if err := p.runner.run(ctx, nil, "/usr/bin/dpkg", "--force-depends", "--configure", s.Name); err != nil {
			return err
		}
	}
	for _, s := range wave {
		if s.Name == "base-passwd" {
			continue
		}
		if err := p.runner.preinst(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// readSystem reads from the root who is who and what is diverted. A root that
// has no users yet takes them from base-passwd's own lists.
func (p *preparer) readSystem(pl *placer, wave []*staged) error {
	passwd, err := p.tree.read("etc/passwd")
	if err != nil {
		return err
	}
	group, err := p.tree.read("etc/group")
	if err != nil {
		return err
	}
	for _, s := range wave {
		for i := range s.entries {
			var err error
			switch e := &s.entries[i]; {
			case e.name == "usr/share/base-passwd/passwd.master" && passwd == nil && e.content != "":
				passwd, err = os.ReadFile(e.content)
			case e.name == "usr/share/base-passwd/group.master" && group == nil && e.content != "":
				group, err = os.ReadFile(e.content)
			}
			if err != nil {
				return err
			}
		}
	}
	pl.owners = parseOwners(passwd, group)
	text, err := p.tree.read(adminDir + "/diversions")
	if err != nil {
		return err
	}
	pl.diverted, err = parseDiversions(text)
	pl.tree.forget()
	return err
}

// largestFirst sorts a copy by size of the .deb, falling.
func largestFirst(l []*staged) []*staged {
	l = append([]*staged(nil), l...)
	sort.SliceStable(l, func(i, j int) bool { return l[i].Size > l[j].Size })
	return l
}
