package runner

import (
	"errors"
	"fmt"
	"os"
)

// maxLogFile bounds a log file, in bytes: a script may print without end.
const maxLogFile = 1 << 30

// logFile keeps the first maxLogFile bytes of a log and the last tailSize of the
// rest, which is what people want to see after a failure, and counts what is between.
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

// Close writes the end of a log that was too long, and says before it what was left out.
func (l *logFile) Close() error {
	if over := l.n - maxLogFile; over > 0 {
		end := l.tail.last(over)
		if out := over - int64(len(end)); out > 0 {
			fmt.Fprintf(l.f, "\n[satchel: %d bytes are left out here]\n", out)
		}
		if _, err := l.f.Write(end); err != nil {
			return errors.Join(err, l.f.Close())
		}
	}
	return l.f.Close()
}
