package main

import (
	"fmt"
	"io"
	"os"
)

// How much is read of what other people wrote, in bytes. Parsers have limits, too;
// these keep what is far too long from filling the memory before they are asked.
const (
	maxStatement  = 16 << 20 // a result, an assert or a list of sums; its signature
	maxProvenance = 64 << 20 // provenance, signed or not
	maxKeyFile    = 16 << 20 // public keys
)

// readBounded reads a file that may have no more than most bytes.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("reading %s: it has more than %s", name, bytesText(most))
	}
	return text, err
}
