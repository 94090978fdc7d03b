// Package wire is what the conformance tests and their probe say to each other.
package wire

// Request asks the probe for one thing. Which fields matter, Op says.
type Request struct {
	Op   string
	Path string
	To   string
	Data []byte
	N    int64
	Mode uint32
	UID  int
	GID  int
	Time int64 // seconds
	Args []Arg // of a system call
	// Child says to do it in a child process of the build user, by Program, which
	// is a copy of the probe; "" is the probe itself.
	Child   bool
	Program string
}

// Arg is an argument of a system call: a number, or the address of bytes.
type Arg struct {
	Int   int64
	Bytes []byte
}

// Reply is the answer. Error is "" when it went well; Errno is set when a
// system call was refused.
type Reply struct {
	Error string
	Errno int
	N     int64
	Data  []byte
	Names []string
	Files []File
}

// File is what lstat and its kin say.
type File struct {
	Path   string
	Mode   uint32 // st_mode
	UID    uint32
	GID    uint32
	Size   int64
	Time   int64 // seconds
	Nlink  uint64
	Ino    uint64
	Rdev   uint64
	Link   string            // target
	Xattrs map[string][]byte // without those of SELinux
}
