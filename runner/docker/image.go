package docker

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"satchel/manifest"
	"satchel/runner"
)

// initFile is the binary that goes into every container.
type initFile struct {
	path    string
	sum     manifest.Digest
	size    int64
	machine string // as a daemon names its architecture: x86_64, aarch64
}

// initFile reads the init, once.
func (e *Engine) initFile() (*initFile, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.init != nil {
		return e.init, nil
	}
	f, err := readInit(e.options.Init)
	if err != nil {
		return nil, fmt.Errorf("reading the container's init %s: %w", e.options.Init, err)
	}
	e.init = f
	return f, nil
}

func readInit(path string) (*initFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	program, err := elf.NewFile(file)
	if err != nil {
		return nil, fmt.Errorf("it is no program for Linux: %w", err)
	}
	f := &initFile{path: path}
	switch program.Machine {
	case elf.EM_X86_64:
		f.machine = "x86_64"
	case elf.EM_AARCH64:
		f.machine = "aarch64"
	case elf.EM_386:
		f.machine = "i686"
	case elf.EM_ARM:
		f.machine = "armv7l"
	default:
		f.machine = program.Machine.String()
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, errors.New("it is dynamically linked; build satchel with CGO_ENABLED=0")
		}
	}
	h := sha256.New()
	if f.size, err = io.Copy(h, io.NewSectionReader(file, 0, 1<<40)); err != nil {
		return nil, err
	}
	f.sum = manifest.Digest(h.Sum(nil))
	return f, nil
}

// initImage returns the id of the image with the init alone, and makes it if
// it is not there.
func (e *Engine) initImage(ctx context.Context) (string, error) {
	f, err := e.initFile()
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.image != "" {
		return e.image, nil
	}
	id, err := e.findInit(ctx, f)
	if cerrdefs.IsNotFound(err) {
		if err = e.importInit(ctx, f); err == nil {
			id, err = e.findInit(ctx, f)
		}
	}
	if err != nil {
		return "", fmt.Errorf("making image %s: %w", e.initName(f), err)
	}
	e.image = id
	return id, nil
}

func (e *Engine) findInit(ctx context.Context, f *initFile) (string, error) {
	i, err := e.client.ImageInspect(ctx, e.initName(f))
	if err != nil {
		return "", err
	}
	if i.Config == nil || i.Config.Labels[e.label(labelInit)] != f.sum.Hex() {
		return "", errors.New("an image of that name is not satchel's: remove it or give it another name")
	}
	return i.ID, nil
}

// importInit sends the daemon a tar with the init.
func (e *Engine) importInit(ctx context.Context, f *initFile) error {
	_, err := e.importTar(ctx, func(w io.Writer) error {
		tw := tar.NewWriter(w)
		if err := f.writeTar(tw, true); err != nil {
			return err
		}
		return tw.Close()
	}, e.initName(f), image.ImportOptions{
		Message: "satchel's init",
		Changes: []string{"LABEL " + e.label(labelInit) + "=" + f.sum.Hex()},
	})
	return err
}

// importTar makes an image of the tar that write writes, and returns its id. It
// gets that name; "" gives it none.
func (e *Engine) importTar(ctx context.Context, write func(io.Writer) error, name string, how image.ImportOptions) (id string, err error) {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(w)
		w.CloseWithError(err)
		written <- err
	}()
	answer, err := e.client.ImageImport(ctx, image.ImportSource{Source: r, SourceName: "-"}, name, how)
	if err == nil {
		id, err = importedID(answer)
		answer.Close()
	}
	r.CloseWithError(errNoMore)
	// The daemon's words about a stream that broke off say less than why it did.
	if werr := <-written; werr != nil && !errors.Is(werr, errNoMore) && !errors.Is(werr, io.ErrClosedPipe) {
		err = werr
	}
	if err != nil && id != "" {
		e.discard(ctx, id)
	}
	return id, err
}

// errNoMore is what a writer gets when the daemon has ended the import.
var errNoMore = errors.New("the daemon takes no more")

// importedID reads the daemon's progress messages and returns the error among
// them, or the image's id, which is the last one.
func importedID(r io.Reader) (id string, err error) {
	lines := bufio.NewScanner(io.LimitReader(r, 1<<20))
	for lines.Scan() {
		var m struct {
			Error  string `json:"error"`
			Status string `json:"status"`
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		if m.Error != "" {
			return "", fmt.Errorf("the daemon says: %s", runner.Printable(m.Error))
		}
		if m.Status != "" {
			id = m.Status
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	if _, err := manifest.ParseDigest(strings.TrimPrefix(id, "sha256:")); err != nil {
		return "", fmt.Errorf("the daemon names no image: %.200q", id)
	}
	return id, nil
}

// writeTar writes the file system of the image: the hidden folder, the init
// in it, and the folders that daemons mount on. Only the init's bytes vary. More
// may follow; whole says that none does, so that folders which every tree has are made, too.
func (f *initFile) writeTar(tw *tar.Writer, whole bool) error {
	epoch := time.Unix(0, 0)
	dirs := []string{".satchel/", "dev/", "proc/", "sys/"} // of which no listing tells
	if whole {
		dirs = append([]string{"./", "etc/"}, dirs...)
	}
	for _, dir := range dirs {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: epoch}); err != nil {
			return err
		}
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: ".satchel/init", Mode: 0o555, Size: f.size, ModTime: epoch}); err != nil {
		return err
	}
	verified := manifest.Blob{SHA256: f.sum, Size: f.size}.Verify(file)
	if _, err := io.Copy(tw, verified); err != nil {
		return fmt.Errorf("the init changed: %w", err)
	}
	return tw.Flush()
}
