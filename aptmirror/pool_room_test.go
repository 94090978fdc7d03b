package aptmirror

import (
	"bytes"
	"testing"
	"unsafe"
)

// roomPool builds the pool of a machine's index in size bytes of room.
func roomPool(t *testing.T, data []byte, plain int64, size int) (b *PoolBuilder, p *Pool, room []byte) {
	t.Helper()
	room = bytesOf(make([]uint64, size/8))
	b, err := NewPoolBuilder("amd64", nil, []ArchiveInfo{{Suite: "stable"}}, plain, room)
	if err == nil {
		err = b.ReadIndex("main", bytes.NewReader(data), 0)
	}
	if err == nil {
		p, err = b.Build()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b, p, room
}

// TestPoolInRoom: a pool that is built where its file is is the same pool, and its
// file is one that can be opened.
func TestPoolInRoom(t *testing.T) {
	data := machineIndex(t)
	want := poolBytes(t, realPool(t))
	plain := int64(len(data))
	b, p, room := roomPool(t, data, plain, PoolRoom(plain))
	if !bytes.Equal(poolBytes(t, p), want) {
		t.Error("built in room the pool is another")
	}
	n, ok, err := b.Seal(p, poolTestKey)
	if err != nil || !ok || n > int64(len(room)) {
		t.Fatalf("%d bytes, %v, %v", n, ok, err)
	}
	t.Logf("%d bytes of %d; written they are %d", n, len(room), len(want))
	got, err := OpenPool(room[:n], poolTestKey)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(poolBytes(t, got), want) {
		t.Error("opened it is another")
	}
	if !bytes.Equal(poolBytes(t, p), want) {
		t.Error("sealing has changed it")
	}
	if _, err := OpenPool(room[:n], "another key"); err == nil {
		t.Error("another key opens it")
	}
	// Every bit that means something is looked at.
	h := tableOf[poolHeader](room, 1)[0]
	for i, s := range h.parts {
		if s.count == 0 {
			continue
		}
		room[s.at] ^= 1
		if _, err := OpenPool(room[:n], poolTestKey); err == nil {
			t.Errorf("part %d is damaged, and nobody sees it", i)
		}
		room[s.at] ^= 1
	}
	for i := range int(unsafe.Sizeof(h)) {
		room[i] ^= 0x10
		if _, err := OpenPool(room[:n], poolTestKey); err == nil {
			t.Errorf("byte %d of the header is damaged, and nobody sees it", i)
		}
		room[i] ^= 0x10
	}
}

// TestPoolInLittleRoom: whatever room there is, and however wrong the estimate was,
// the pool is the same; and it is sealed only where all of it lies in the room.
func TestPoolInLittleRoom(t *testing.T) {
	data := firstStanzas(machineIndex(t), 500)
	plain := int64(len(data))
	_, p, _ := roomPool(t, data, plain, 0)
	want := poolBytes(t, p)
	whole, sealed := PoolRoom(8*plain), 0 // few packages have more words each than many
	for _, plain := range []int64{0, plain, 8 * plain} {
		for size := 0; size <= whole; size += whole / 50 {
			b, p, room := roomPool(t, data, plain, size)
			if !bytes.Equal(poolBytes(t, p), want) {
				t.Errorf("%d bytes of room, an estimate of %d: another pool", size, plain)
			}
			n, ok, err := b.Seal(p, poolTestKey)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				continue
			}
			sealed++
			if got, err := OpenPool(room[:n], poolTestKey); err != nil || !bytes.Equal(poolBytes(t, got), want) {
				t.Errorf("%d bytes of room, an estimate of %d: sealed, and %v", size, plain, err)
			}
		}
	}
	if sealed == 0 {
		t.Error("none was sealed")
	}
}

// firstStanzas is the beginning of an index.
func firstStanzas(index []byte, n int) []byte {
	at := 0
	for range n {
		i := bytes.Index(index[at:], []byte("\n\n"))
		if i < 0 {
			return index
		}
		at += i + 2
	}
	return index[:at]
}
