//go:build !amd64 || purego

package xz

func (w *work) symbols() bool { return w.symbolsGo() }
