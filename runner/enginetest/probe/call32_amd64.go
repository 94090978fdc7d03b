package main

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"satchel/runner/enginetest/wire"
)

// call32 makes a system call as a 32-bit program does, with at most three
// arguments, by a few instructions written into low memory.
func call32(nr int64, args []wire.Arg) (int64, error) {
	page, err := unix.Mmap(-1, 0, 8192, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_32BIT)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(page)
	base := uint32(uintptr(unsafe.Pointer(&page[0])))
	data := 4096 // where the arguments' bytes go
	const result = 2048
	code := []byte{0x53}                              // push rbx
	for i, opcode := range []byte{0xbb, 0xb9, 0xba} { // mov ebx, ecx, edx
		var v uint32
		if i < len(args) {
			v = uint32(args[i].Int)
			if args[i].Bytes != nil {
				v = base + uint32(data)
				data += copy(page[data:], args[i].Bytes)
			}
		}
		code = binary.LittleEndian.AppendUint32(append(code, opcode), v)
	}
	code = binary.LittleEndian.AppendUint32(append(code, 0xb8), uint32(nr)) // mov eax
	code = append(code, 0xcd, 0x80)                                         // int 0x80
	code = binary.LittleEndian.AppendUint32(append(code, 0x89, 0x04, 0x25), base+result)
	copy(page, append(code, 0x5b, 0xc3)) // pop rbx, ret
	entry := &page[0]
	word := unsafe.Pointer(&entry) // a func value points to a word that points to code
	(*(*func())(unsafe.Pointer(&word)))()
	v := int32(binary.LittleEndian.Uint32(page[result:]))
	if v < 0 && v > -4096 {
		return 0, fmt.Errorf("32-bit call %d: %w", nr, unix.Errno(-v))
	}
	return int64(v), nil
}
