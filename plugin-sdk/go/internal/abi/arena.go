//go:build wasip1

package abi

import "unsafe"

// Memory that the host asks for, to put arguments and results into.
//
// It must not come from Go's allocator: that may start a garbage collection, the collector reads the clock, and a component may not call
// out while the host asks it for memory. So it is cut from a slab that was made outside of such a call. What was taken out is copied at
// once, see Taken, and the slab begins anew.

const (
	slabBytes    = 64 << 10
	slabBytesMax = 16 << 20
)

type slab struct {
	memory []byte
	used   uintptr
	wanted uintptr // since taken was called, whether it fitted or not
}

var arena = slab{memory: make([]byte, slabBytes)}

//go:linkname sbrk runtime.sbrk
func sbrk(n uintptr) unsafe.Pointer

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	return arena.take(uintptr(align), uintptr(size))
}

// take never collects garbage. What does not fit is taken from the system for good; taken sees that it fits the next time.
func (s *slab) take(align, size uintptr) unsafe.Pointer {
	base := uintptr(unsafe.Pointer(unsafe.SliceData(s.memory)))
	begin := (base+s.used+align-1)&^(align-1) - base
	s.wanted += size + align
	if begin+size <= uintptr(len(s.memory)) {
		s.used = begin + size
		return unsafe.Add(unsafe.Pointer(unsafe.SliceData(s.memory)), begin)
	}
	at := sbrk(size + align)
	return unsafe.Add(at, (uintptr(at)+align-1)&^(align-1)-uintptr(at))
}

// Taken says that everything that the host has handed over was copied.
func Taken() { arena.taken() }

func (s *slab) taken() {
	if s.wanted > uintptr(len(s.memory)) && len(s.memory) < slabBytesMax {
		s.memory = make([]byte, min(2*s.wanted, slabBytesMax))
	}
	s.used, s.wanted = 0, 0
}
