package plan

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// note says what an InRelease file was when its address was last asked, so that
// the next run can ask whether it still is. Its bytes are a blob of the store.
// A note is kept only of a file that was found good; it is judged again in
// every run, and one that is not good any more is asked for anew.
type note struct {
	ETag         string        `json:"etag,omitempty"`
	LastModified string        `json:"lastModified,omitempty"`
	Blob         manifest.Blob `json:"blob"`
}

// noteFile is where the note on an address is; "" if none are kept.
func (p *Planner) noteFile(url string) string {
	if p.Notes == "" {
		return ""
	}
	return filepath.Join(p.Notes, manifest.Sum([]byte(url)).Hex()+".json")
}

// recall returns the note on an address, and the bytes it is about. Whatever is
// wrong with it, there is none.
func (p *Planner) recall(url string) (fetch.Conditional, []byte) {
	file := p.noteFile(url)
	if file == "" {
		return fetch.Conditional{}, nil
	}
	var n note
	doc, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(doc, &n) != nil || n.Blob.Size > maxRelease {
		return fetch.Conditional{}, nil
	}
	r, err := p.Store.Open(n.Blob)
	if err != nil {
		return fetch.Conditional{}, nil
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return fetch.Conditional{}, nil
	}
	return fetch.Conditional{URL: url, ETag: n.ETag, LastModified: n.LastModified}, text
}

// remember keeps a note on what an address gave. A server that gives no
// validator cannot be asked later, and needs none.
func (p *Planner) remember(m fetch.Meta, text []byte) error {
	file := p.noteFile(m.URL)
	if file == "" || m.NotModified || m.ETag == "" && m.LastModified == "" {
		return nil
	}
	blob := manifest.Blob{SHA256: manifest.Sum(text), Size: int64(len(text))}
	doc, err := json.Marshal(note{ETag: m.ETag, LastModified: m.LastModified, Blob: blob})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.Notes, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(p.Notes, ".*.new")
	if err != nil {
		return err
	}
	_, err = f.Write(doc)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// getRelease fetches an InRelease file, or finds that the one of an earlier run
// still is the one: then meta.NotModified is set.
func (p *Planner) getRelease(ctx context.Context, url string, anew bool) ([]byte, fetch.Meta, error) {
	cond, old := fetch.Conditional{}, []byte(nil)
	if !anew {
		cond, old = p.recall(url)
	}
	text, m, err := p.Fetch.Get(ctx, []string{url}, maxRelease, cond)
	if err == nil && m.NotModified {
		return old, m, nil
	}
	return text, m, err
}
