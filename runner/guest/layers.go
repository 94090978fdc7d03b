//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// onLayers makes the environment from an image's root and packages on top,
// installed by the image's own dpkg.
func (p *preparer) onLayers(ctx context.Context, in *tar.Reader) error {
	if len(p.plan.Layers) != 1 {
		return fmt.Errorf("preparing: the image comes in %d layers; want one flattened layer", len(p.plan.Layers))
	}
	p.frames.Step("Unpacking the image")
	shipped := make(map[string]int64)
	p.time = func(name string, _ int64) int64 {
		if t, ok := shipped[name]; ok {
			return min(t, p.plan.Epoch)
		}
		return p.plan.Epoch
	}
	if err := p.receiveLayer(ctx, in, shipped); err != nil {
		return fmt.Errorf("unpacking the image: %w", err)
	}
	if !p.tree.exists("usr/bin/dpkg") || !p.tree.exists(statusFile) {
		return errors.New("preparing: the image is not of a Debian system: it has no dpkg, or no database")
	}
	p.frames.Step("Receiving %d packages", len(p.plan.Packages))
	all, err := p.receive(ctx, in, p.tree.at(spoolDir), func(*staged) {})
	if err != nil {
		return err
	}
	for _, a := range p.plan.Foreign {
		if err := p.runner.run(ctx, nil, "/usr/bin/dpkg", "--add-architecture", a); err != nil {
			return err
		}
	}
	parts := waves(all)
	for w, wave := range parts {
		p.frames.Step("Installing packages, part %d of %d (%d packages)", w+1, len(parts), len(wave))
		if err := p.installWave(ctx, wave, shipped); err != nil {
			return err
		}
	}
	return nil
}

// receiveLayer unpacks the one layer of the stream, and checks that it was the
// one the plan names.
func (p *preparer) receiveLayer(ctx context.Context, in *tar.Reader, shipped map[string]int64) error {
	want := p.plan.Layers[0]
	h, err := in.Next()
	if err != nil {
		return err
	}
	if h.Name != "layer/0" || h.Size != want.Size {
		return fmt.Errorf("the stream has %q of %d bytes where %q of %d belongs", clip(h.Name, 80), h.Size, "layer/0", want.Size)
	}
	r := want.Verify(in)
	x := &layerReader{tree: p.tree, shipped: shipped, left: want.Size}
	if err := x.unpack(ctx, r); err != nil {
		return err
	}
	return drainVerified(r)
}

// installWave unpacks and configures packages with the image's dpkg, much as
// apt-get install would have it do.
func (p *preparer) installWave(ctx context.Context, wave []*staged, shipped map[string]int64) (err error) {
	allow, err := p.runner.denyServices()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, allow()) }()
	args := []string{"--force-confold", "--force-confdef", "--auto-deconfigure",
		"--force-depends", "--force-breaks", "--force-conflicts", "--no-triggers", "--unpack"}
	for _, s := range wave {
		args = append(args, s.path)
	}
	if err := p.runner.run(ctx, nil, "/usr/bin/dpkg", args...); err != nil {
		return err
	}
	for _, s := range wave {
		if err := p.noteShipped(s, shipped); err != nil {
			return err
		}
		if err := os.Remove(s.path); err != nil {
			return err
		}
	}
	return p.runner.configureAll(ctx)
}

// noteShipped notes the times of the files of a package that dpkg has just
// unpacked: nobody has touched them yet.
func (p *preparer) noteShipped(s *staged, shipped map[string]int64) error {
	p.tree.forget()
	list, err := p.tree.read(infoDir + "/" + infoName(s) + ".list")
	if err != nil {
		return fmt.Errorf("reading the list of %s: %w", s.label(), err)
	}
	for name := range strings.Lines(string(list)) {
		name = strings.Trim(name, "/\n")
		where, err := p.tree.locate(name)
		if err != nil {
			continue // left out by the image's own rules, or removed
		}
		st, err := os.Lstat(p.tree.at(where + newSuffix))
		if err != nil {
			st, err = os.Lstat(p.tree.at(where))
		}
		if err == nil && !st.IsDir() {
			shipped[where] = st.ModTime().Unix()
		}
	}
	return nil
}
