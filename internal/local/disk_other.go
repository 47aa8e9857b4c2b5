//go:build !linux && !darwin

package local

import "errors"

// Free is how many bytes may still be written below a folder: not known here.
func Free(string) (int64, error) { return 0, errors.ErrUnsupported }
