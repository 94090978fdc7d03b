//go:build linux

package guest

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestSyncFilter runs the filter over every call number of every architecture
// it knows, and one that it does not.
func TestSyncFilter(t *testing.T) {
	vm, err := bpf.NewVM(syncFilter())
	if err != nil {
		t.Fatal(err)
	}
	answer := func(arch, call uint32) uint32 {
		// struct seccomp_data is in the machine's order, the VM's packets in the network's.
		data := make([]byte, 64)
		binary.BigEndian.PutUint32(data[seccompNumber:], call)
		binary.BigEndian.PutUint32(data[seccompArch:], arch)
		n, err := vm.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	for _, a := range syncCalls {
		zero := map[uint32]bool{}
		for _, c := range a.calls {
			zero[c] = true
		}
		for call := range uint32(500) {
			want := uint32(unix.SECCOMP_RET_ALLOW)
			if zero[call] {
				want = unix.SECCOMP_RET_ERRNO
			}
			if got := answer(a.arch, call); got != want {
				t.Errorf("architecture %#x, call %d: got %#x, want %#x", a.arch, call, got, want)
			}
		}
	}
	if got := answer(0x1234, 74); got != unix.SECCOMP_RET_ALLOW {
		t.Errorf("unknown architecture: got %#x", got)
	}
}
