//go:build !purego

package xz

// symbolsAssembly is symbolsGo by hand, in lzma_amd64.s.
//
//go:noescape
func symbolsAssembly(w *work) bool

func (w *work) symbols() bool { return symbolsAssembly(w) }
