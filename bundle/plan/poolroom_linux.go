package plan

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"satchel/aptmirror"
)

// poolFile is a pool's file in whose memory the pool is built, so that what the
// kernel needs back it can write there. The memory stays until the program ends,
// for strings of the pool may have gone anywhere.
type poolFile struct {
	file *os.File
	room []byte
}

// make makes a file for a pool with that much room. It is nil where there can be
// none: then the pool is built on the heap, and written in the end. All of the room
// has its place on the disk beforehand; a disk that fills up could not tell anybody.
func (c PoolCache) make(size int) *poolFile {
	f, err := c.create()
	if err != nil {
		return nil
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, int64(size))
	var room []byte
	if err == nil {
		room, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil
	}
	return &poolFile{f, room}
}

// memory is the room; nil if there is none.
func (p *poolFile) memory() []byte {
	if p == nil {
		return nil
	}
	return p.room
}

// seal makes the file one that openPool takes. ok is false if it cannot: the pool
// has grown out of it.
func (p *poolFile) seal(b *aptmirror.PoolBuilder, pool *aptmirror.Pool, key string) (ok bool, err error) {
	if p == nil {
		return false, nil
	}
	n, ok, err := b.Seal(pool, key)
	if err != nil || !ok {
		return false, errors.Join(err, p.drop())
	}
	// Whoever writes to it now has a bug.
	err = errors.Join(unix.Mprotect(p.room, unix.PROT_READ), p.file.Truncate(n), p.file.Close())
	return err == nil, err
}

// drop removes the file. What is in its memory stays good.
func (p *poolFile) drop() error {
	if p == nil {
		return nil
	}
	return errors.Join(p.file.Close(), os.Remove(p.file.Name()))
}
