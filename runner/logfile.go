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
	tail []byte
}

// tailSize is how much of the end is remembered, in bytes.
const tailSize = 4 << 10

func newLogFile(path string) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making log %s: %w", path, err)
	}
	return &logFile{f: f}, nil
}

// Write never fails for length.
func (l *logFile) Write(b []byte) (int, error) {
	l.remember(b)
	keep := b[:max(0, min(int64(len(b)), maxLogFile-l.n))]
	l.n += int64(len(b))
	if _, err := l.f.Write(keep); err != nil {
		return 0, fmt.Errorf("writing log %s: %w", l.f.Name(), err)
	}
	return len(b), nil
}

func (l *logFile) remember(b []byte) {
	if len(b) >= tailSize {
		l.tail = append(l.tail[:0], b[len(b)-tailSize:]...)
		return
	}
	if over := len(l.tail) + len(b) - tailSize; over > 0 {
		l.tail = append(l.tail[:0], l.tail[over:]...)
	}
	l.tail = append(l.tail, b...)
}

// Close says at the end of the file what was left out.
func (l *logFile) Close() error {
	if l.n > maxLogFile {
		fmt.Fprintf(l.f, "\n[satchel: %d bytes more are left out]\n", l.n-maxLogFile)
	}
	return l.f.Close()
}
