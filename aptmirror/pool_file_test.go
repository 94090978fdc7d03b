package aptmirror

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

const poolTestKey = "a key"

// mixedPool has something of all that a pool can hold.
func mixedPool(t testing.TB) *Pool {
	t.Helper()
	pool, err := NewPool("amd64", []string{"i386"}, miniSuites, miniPackages(t, `
P: a 1:2
E: yes
D: b (>= 1) | c, d:any, v (= 2), e:i386

P: b
V: v (= 2), w:any
C: x (<< 3), y
M: same

P: b
A: i386
M: same
V: v (= 2)

P: b
Suite: 1
M: same
V: v (= 2), w:any
C: x (<< 3), y

P: c 3
A: all
M: foreign
B: a (<< 1)

P: d
M: allowed

P: e
A: i386
D: c

P: e 2
A: i386
D: c, linux
Suite: 1

P: linux-image-6.1
V: linux`))
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func poolBytes(t testing.TB, p *Pool) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WritePool(&b, p, poolTestKey); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readPool(data []byte) (*Pool, error) {
	return ReadPool(bytes.NewReader(data), int64(len(data)), poolTestKey)
}

// sealed gives data the check that belongs to it.
func sealed(data []byte) []byte {
	data = bytes.Clone(data[:len(data)&^7])
	body := data[:max(len(data)-32, 0)]
	if len(body) < int(unsafe.Sizeof(poolHeader{})) {
		return data
	}
	h := tableOf[poolHeader](body, 1)[0]
	parts, err := h.split(body)
	if err != nil {
		return data // no check can be right
	}
	sum, _ := sumPieces(append([][]byte{body[:unsafe.Sizeof(h)]}, parts[:]...))
	copy(data[len(body):], sum[:])
	return data
}

// TestPoolRecords: the tables have no gaps, whose bytes nobody sets.
func TestPoolRecords(t *testing.T) {
	for _, record := range []any{group{}, slot{}, slotVersion{}, provide{}, stanza{}, member{}} {
		typ, sum := reflect.TypeOf(record), uintptr(0)
		for i := range typ.NumField() {
			sum += typ.Field(i).Type.Size()
		}
		if sum != typ.Size() {
			t.Errorf("%s: its fields have %d of %d bytes", typ.Name(), sum, typ.Size())
		}
	}
}

func TestPoolIsReadAsItWasWritten(t *testing.T) {
	for name, pool := range map[string]*Pool{"mixed": mixedPool(t), "empty": emptyPool(t), "real": realPool(t)} {
		data := poolBytes(t, pool)
		got, err := readPool(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(poolBytes(t, got), data) {
			t.Errorf("%s: written again it differs", name)
		}
		if !reflect.DeepEqual(got.arches, pool.arches) || got.known != pool.known || !reflect.DeepEqual(got.archives, pool.archives) {
			t.Errorf("%s: got %q %d %v", name, got.arches, got.known, got.archives)
		}
	}
}

func emptyPool(t testing.TB) *Pool {
	t.Helper()
	pool, err := NewPool("amd64", nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// realPool is that of this machine's largest index.
func realPool(t testing.TB) *Pool {
	t.Helper()
	data := machineIndex(t)
	b, err := NewPoolBuilder("amd64", nil, []ArchiveInfo{{Suite: "stable"}}, int64(len(data)), nil)
	if err == nil {
		err = b.ReadIndex("main", bytes.NewReader(data), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	pool, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// TestReadIndexIsReadPackages: reading an index at once, or as a list first,
// gives one pool, to the byte.
func TestReadIndexIsReadPackages(t *testing.T) {
	list, err := ReadPackages("main", bytes.NewReader(machineIndex(t)), 0)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool("amd64", nil, []ArchiveInfo{{Suite: "stable"}}, list)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(poolBytes(t, pool), poolBytes(t, realPool(t))) {
		t.Error("two pools of one index differ")
	}
	for i := range list {
		want := &list[i]
		s := pool.find(strings.ToLower(want.Name), 0)
		if s < 0 || pool.slots[s].versions < 0 {
			t.Fatalf("the pool lacks %s", want.Name)
		}
		if b, ok := pool.Blob(want.Name, want.Version, want.Architecture); !ok || b != want.Blob {
			t.Errorf("%s %s: the pool has %v, want %v", want.Name, want.Version, b, want.Blob)
		}
		got := pool.unpack(pool.slots[s].versions, pool.versions[pool.slots[s].versions].stanza)
		if got.Version != want.Version {
			continue // the index has several
		}
		if got.Filename != want.Filename || got.Source != want.Source || got.Architecture != want.Architecture ||
			got.Essential != want.Essential || got.Phased != want.Phased || got.Blob != want.Blob ||
			!sameRelation(got.Depends, want.Depends) || !sameRelation(got.Suggests, want.Suggests) || !sameRelation(got.Breaks, want.Breaks) {
			t.Errorf("got %+v\nwant %+v", got, *want)
		}
	}
}

// TestReadIndexRefuses what ReadPackages refuses, and what no pool can hold.
func TestReadIndexRefuses(t *testing.T) {
	const hash = "SHA256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
	const a = "Package: a\nVersion: 1\nArchitecture: amd64\nFilename: p/a.deb\nSize: 1\n" + hash
	for want, text := range map[string]string{
		"":                            a + "\n" + a,
		":8: p/a.deb has other bytes": a + "\n" + strings.Replace(a, "Size: 1", "Size: 2", 1),
		":1: package \"a\" has architecture \"arm64\"": strings.Replace(a, "amd64", "arm64", 1),
		":1: package a 1: reading relation field":      a + "Depends: b (",
		":1: package a has no Size":                    strings.Replace(a, "Size: 1\n", "", 1),
		":1: package a: reading Filename":              strings.Replace(a, "p/a.deb", "../a.deb", 1),
	} {
		b, err := NewPoolBuilder("amd64", nil, miniSuites, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = b.ReadIndex("index", strings.NewReader(text), 0)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), "index"+want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, again := b.Build(); (again == nil) != (err == nil) {
			t.Errorf("after %v the builder says %v", err, again)
		}
	}
}

// TestDamagedPool flips a bit of every part, and cuts, and lengthens.
func TestDamagedPool(t *testing.T) {
	data := poolBytes(t, mixedPool(t))
	refused := func(what string, data []byte) {
		t.Helper()
		if _, err := readPool(data); !errors.Is(err, ErrPool) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1 << (i % 8)
		refused(fmt.Sprintf("a bit of byte %d of %d", i, len(data)), bad)
	}
	for n := range data {
		refused(fmt.Sprintf("%d of %d bytes", n, len(data)), data[:n])
	}
	refused("8 bytes more", append(bytes.Clone(data), make([]byte, 8)...))
	if _, err := ReadPool(bytes.NewReader(data), int64(len(data)), "another key"); !errors.Is(err, ErrPool) {
		t.Errorf("of another key: %v", err)
	}
	if _, err := ReadPool(bytes.NewReader(data[:64]), int64(len(data)), poolTestKey); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("shorter than it says: %v", err)
	}
	// What follows has the right check, so that only the tables can tell.
	foreign := bytes.Clone(data)
	for i := 16; i < int(unsafe.Sizeof(poolHeader{})); i += 8 {
		binary.BigEndian.PutUint64(foreign[i:], binary.LittleEndian.Uint64(foreign[i:]))
	}
	refused("of a machine of another byte order", sealed(foreign))
	older := bytes.Clone(data)
	older[len("satchel pool ")]--
	refused("of an older form", sealed(older))
	for i := range poolParts { // where meta and the tables begin, and how long they are
		for _, n := range []uint64{0, 1, 1 << 20, 1 << 31, 1 << 61, 1<<64 - 1, 1<<64 - 8, uint64(len(data))} {
			for what, at := range map[string]int{"begin": 24 + 16*i, "length": 32 + 16*i} {
				if bad := bytes.Clone(data); binary.NativeEndian.Uint64(bad[at:]) != n {
					binary.NativeEndian.PutUint64(bad[at:], n)
					refused(fmt.Sprintf("%s of part %d is %d", what, i, n), sealed(bad))
				}
			}
		}
	}
}

// TestHostilePool puts wild numbers into a pool and signs it again: it is
// refused, or can be used.
func TestHostilePool(t *testing.T) {
	data := poolBytes(t, mixedPool(t))
	random := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 20_000 {
		bad := bytes.Clone(data)
		for range 1 + random.IntN(3) {
			at := 24 + random.IntN(len(bad)-24-32-4)
			switch random.IntN(4) {
			case 0:
				bad[at] ^= 1 << random.IntN(8)
			case 1:
				bad[at] = byte(random.IntN(4))
			case 2:
				binary.NativeEndian.PutUint32(bad[at&^3:], random.Uint32N(40)-2)
			case 3:
				binary.NativeEndian.PutUint32(bad[at&^3:], random.Uint32())
			}
		}
		if pool, err := readPool(sealed(bad)); err == nil {
			taken++
			usePool(pool)
		}
	}
	if taken < 1000 {
		t.Errorf("only %d of them were taken", taken)
	}
}

// FuzzReadPool: any bytes give an error, or a pool that can be used.
func FuzzReadPool(f *testing.F) {
	for _, pool := range []*Pool{mixedPool(f), emptyPool(f)} {
		f.Add(poolBytes(f, pool))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if pool, err := readPool(data); err == nil {
			usePool(pool)
		}
		if pool, err := readPool(sealed(data)); err == nil {
			usePool(pool)
		}
	})
}

// usePool asks a pool for everything that it can be asked.
func usePool(pool *Pool) {
	steps := []Step{{Wishes: []string{"a", "e:i386"}}, {Wishes: []string{"b/backports", "c=3", "?"}, Release: "backports"}, {Wishes: []string{"nobody"}}}
	installed := []Package{{Name: "b", Version: "0", Architecture: "amd64", Status: "install ok installed"},
		{Name: "new", Version: "0", Architecture: "i386", Status: "install ok installed", Provides: "v, x:any", Depends: "a"}}
	for _, plan := range []Plan{{Essential: true, Steps: steps[:1]}, {Steps: steps[1:2]}, {Steps: steps[2:]},
		{Installed: installed, Upgrade: true, Steps: steps[:1]}, {Steps: steps}} {
		sol, err := Resolve(pool, plan)
		if err != nil {
			_ = err.Error()
			continue
		}
		for _, c := range sol.Install {
			Why(sol, c.Name)
			pool.Blob(c.Name, c.Version, c.Architecture)
		}
	}
}
