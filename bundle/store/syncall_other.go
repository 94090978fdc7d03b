//go:build !linux

package store

import (
	"errors"
	"os"
)

// syncAll is not known here.
func syncAll(*os.Root) error { return errors.ErrUnsupported }
