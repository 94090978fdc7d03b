package runner

import (
	"fmt"
	"os"
)

// maxLogFile bounds a log file, in bytes: a script may print without end.
const maxLogFile = 1 << 30

// logFile keeps the first maxLogFile bytes of a log and counts the rest. It
// also remembers the end, which is what people want to see after a failure.
type logFile struct {
	f    *os.File
	n    int64 // bytes seen
	tail Tail
}

// tailSize is how much of the end is remembered, in bytes.
const tailSize = 4 << 10

func newLogFile(path string) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making log %s: %w", path, err)
	}
	return &logFile{f: f, tail: Tail{Max: tailSize}}, nil
}

// Write never fails for length.
func (l *logFile) Write(b []byte) (int, error) {
	if _, err := l.tail.Write(b); err != nil {
		return 0, err
	}
	keep := b[:max(0, min(int64(len(b)), maxLogFile-l.n))]
	l.n += int64(len(b))
	if _, err := l.f.Write(keep); err != nil {
		return 0, fmt.Errorf("writing log %s: %w", l.f.Name(), err)
	}
	return len(b), nil
}

// Close says at the end of the file what was left out.
func (l *logFile) Close() error {
	if l.n > maxLogFile {
		fmt.Fprintf(l.f, "\n[satchel: %d bytes more are left out]\n", l.n-maxLogFile)
	}
	return l.f.Close()
}
