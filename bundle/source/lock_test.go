package source

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestLockTag(t *testing.T) {
	up := newRepo(t)
	for i := range 30 {
		up.commit(fmt.Sprintf("dir%d/file", i%3), fmt.Sprintf("text %d\n", i))
	}
	up.git("tag", "-a", "-m", "one", "v1")
	store := newStore()
	pin, err := Lock(t.Context(), Remote{Dir: "up", URL: up.dir, Ref: "v1", Local: true}, options(t), store)
	if err != nil {
		t.Fatal(err)
	}
	if pin.Commit != up.git("rev-parse", "HEAD") || pin.Tag != up.git("rev-parse", "v1") || pin.Date != "2011-03-13 07:06:40" {
		t.Errorf("pin %+v", pin)
	}
	if c, err := Check(bytes.NewReader(store.blobs[pin.Pack.SHA256]), pin.Commit, pin.Tag); err != nil || c.Date != pin.Date {
		t.Errorf("Check: %+v %v", c, err)
	}
	down := unpack(t, store.blobs[pin.Pack.SHA256])
	down.git("update-ref", "refs/tags/v1", pin.Tag)
	if got, want := down.git("rev-list", "--objects", "--all"), up.git("rev-list", "--objects", "v1"); len(got) != len(want) {
		t.Errorf("objects: got\n%s\nwant\n%s", got, want)
	}
}

// TestLockReal measures with a repository of the reader's choice.
func TestLockReal(t *testing.T) {
	url, ref := os.Getenv("SATCHEL_REPO"), os.Getenv("SATCHEL_REF")
	if url == "" {
		t.Skip("skipped: SATCHEL_REPO names no repository to measure with")
	}
	store := newStore()
	start := time.Now()
	opts := options(t)
	opts.Progress = func(s string) { t.Logf("%v %s", time.Since(start), s) }
	pin, err := Lock(t.Context(), Remote{Dir: "up", URL: url, Ref: ref, Local: true}, opts, store)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v %+v", time.Since(start), pin)
	start = time.Now()
	got, err := Check(bytes.NewReader(store.blobs[pin.Pack.SHA256]), pin.Commit, pin.Tag)
	t.Logf("check %v %+v %v", time.Since(start), got, err)
	start = time.Now()
	unpack(t, store.blobs[pin.Pack.SHA256])
	t.Logf("index-pack %v", time.Since(start))
}
