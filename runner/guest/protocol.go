package guest

// What the host and the init say to each other. It is private to one satchel
// binary (both ends are always the same build), so it has no version.
//
// Towards the init: one tar stream on standard input. Its first entry is
// PlanName, a JSON Plan; the entries that the plan names follow, in the order
// in which the plan names them. The tar's end marker ends the stream.
//
// A shell's input goes on after the tar: control frames, of the form of the
// frames below with a byte of Control for the Kind, from KindReady to the outcome.
//
// From the init: frames on standard output. A frame is one byte of Kind, four
// bytes of length (big endian, at most MaxFrame) and that many bytes.

import "satchel/manifest"

// Recipe is the version of the way an environment is made. A change that
// makes a different tree from the same plan needs a new number.
const Recipe = 3

// PlanName is the name of the first tar entry.
const PlanName = "plan.json"

// MaxFrame is the largest payload of a frame, in bytes.
const MaxFrame = 64 << 10

// Kind says what a frame holds.
type Kind byte

// The kinds of frame.
const (
	KindInstallLog Kind = 'i' // output of dpkg and maintainer scripts
	KindBuildLog   Kind = 'b' // output of the build script, both streams
	KindStep       Kind = 's' // a line of text: what happens now
	KindListing    Kind = 'l' // piece of the listing of the prepared root (text)
	KindTar        Kind = 't' // piece of the tar stream of results, or of a tree
	KindReady      Kind = 'r' // one byte that means nothing: a shell begins, and takes input
	KindOutput     Kind = 'o' // output of a shell
	KindErrors     Kind = 'e' // its standard error, if it has no terminal
	KindTaken      Kind = 'a' // four bytes, big endian: so many bytes more of its input are passed on
	KindDone       Kind = 'd' // JSON Outcome; the last frame
)

// Control says what a control frame holds.
type Control byte

// The kinds of control frame.
const (
	ControlInput  Control = 'i' // bytes for the shell's input
	ControlEnd    Control = 'e' // one byte that means nothing: there is no more input
	ControlSize   Control = 'w' // four bytes: rows, then columns of the terminal, big endian
	ControlSignal Control = 'k' // one byte: a signal for the shell's process group
)

// InputWindow is how much input may be on its way, sent and not yet told of by
// KindTaken. The init always has room for it, so that it never stops reading:
// that is how it learns of a signal, and of the host's end.
const InputWindow = 4 * MaxFrame

// Plan is all that the init is told. Exactly one of the members is set.
type Plan struct {
	Prepare *Prepare `json:"prepare,omitempty"`
	Build   *Build   `json:"build,omitempty"`
	Shell   *Shell   `json:"shell,omitempty"`
	// Tree asks for the root as it is, as a tar in frames of KindTar. Nothing is changed.
	Tree bool `json:"tree,omitempty"`
}

// Prepare turns an empty root into an environment. The digest of its JSON is
// the environment's key.
type Prepare struct {
	Recipe       int      `json:"recipe"` // version of the way an environment is made
	Distro       string   `json:"distro"`
	Suite        string   `json:"suite"`
	Architecture string   `json:"architecture"`      // dpkg's name of the native architecture
	Foreign      []string `json:"foreign,omitempty"` // dpkg --add-architecture
	MergedUsr    bool     `json:"mergedUsr"`         // bootstrap: /bin, /lib, … are links into /usr
	Epoch        int64    `json:"epoch"`             // seconds; no file of the environment is newer
	User         string   `json:"user"`              // build user to create, uid 1000, home /home/User
	// Layers are entries "layer/N": uncompressed tars of a base image's root,
	// one flattened layer. Empty means bootstrap from Packages alone.
	Layers []manifest.Blob `json:"layers,omitempty"`
	// Packages are entries "deb/N", N counted from 0, in the order of Stream.
	Packages     []Deb         `json:"packages"`
	Alternatives []Alternative `json:"alternatives,omitempty"` // update-alternatives --set
	// Sources are lines for the end of /etc/apt/sources.list: a descriptor's repositories.
	Sources []string `json:"sources,omitempty"`
}

// Stream is the order in which packages are sent, as indexes of Packages: the
// base system comes first, since it is installed while the others are unpacked.
func (p *Prepare) Stream() []int {
	order := make([]int, 0, len(p.Packages))
	for _, base := range []bool{true, false} {
		for i, d := range p.Packages {
			if d.Base == base {
				order = append(order, i)
			}
		}
	}
	return order
}

// Deb is one package to install. Blob has been checked by the host while it
// streamed; the init checks it again.
type Deb struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	// Base says that it belongs to the base system, which is whole before
	// anything else is installed.
	Base bool `json:"base,omitempty"`
	manifest.Blob
}

// Alternative is a choice for update-alternatives --set.
type Alternative struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

// Build runs one script in an environment, as gitian-builder does.
type Build struct {
	User        string   `json:"user"`
	Home        string   `json:"home"`
	Personality string   `json:"personality"` // "", "i386": what setarch would set
	Sources     []Source `json:"sources,omitempty"`
	// Files are entries "file/N": placed in ~/build under Name.
	Files []File `json:"files,omitempty"`
	// Script is the text for the standard input of bash -x: prelude and descriptor's script.
	Script string `json:"script"`
	Umask  int    `json:"umask"`
	// CPUs is how many processors the script may run on, and sees; 0: all.
	CPUs int `json:"cpus,omitempty"`
	// Env is the environment of bash, "NAME=value", complete.
	Env []string `json:"env"`
	// Cache says that entries "cache/…", to the end of the stream, are placed
	// in ~/cache before, and ~/cache is returned below "cache/" after.
	Cache bool `json:"cache,omitempty"`
	// Log is the name of the file that will hold the script's output.
	Log string `json:"log"`
	// Sudo lets the user become root by sudo without a password.
	Sudo bool `json:"sudo,omitempty"`
	// Vary is what is other than in an ordinary build.
	Vary Vary `json:"vary,omitzero"`
}

// Vary is what no result may depend on, and a second build has otherwise than the
// first. What cannot be varied is told in Outcome.Unvaried, and the build goes on.
type Vary struct {
	Addresses bool  `json:"addresses,omitempty"` // memory is laid out without chance
	Kernel    bool  `json:"kernel,omitempty"`    // the kernel calls itself 2.6
	Listings  bool  `json:"listings,omitempty"`  // folders are listed backwards
	Pids      int   `json:"pids,omitempty"`      // process numbers are above
	Uptime    int64 `json:"uptime,omitempty"`    // seconds by which the engine has made the machine older
	Users     int64 `json:"users,omitempty"`     // the host's user that the engine has made the first after root
}

// Names of the members of Vary, in Outcome.Unvaried.
const (
	VaryAddresses = "addresses"
	VaryKernel    = "kernel"
	VaryListings  = "listings"
	VaryPids      = "pids"
	VaryUptime    = "uptime"
	VaryUsers     = "users"
)

// Seen is what the script could see of where it ran.
type Seen struct {
	Kernel string `json:"kernel"` // uname -r
	CPUs   int    `json:"cpus"`   // nproc
}

// Shell is bash in place of a Build's script, for people: on a terminal, or
// on three streams.
type Shell struct {
	Build Build `json:"build"` // its inputs, user and limits; Script is put into ScriptPath
	// Placed says that the inputs are in the root already, as a script left them.
	Placed bool `json:"placed,omitempty"`
	// Before is what bash reads before the shell begins; its failure is the shell's.
	Before string `json:"before,omitempty"`
	// Prelude is what the shell itself reads first.
	Prelude string `json:"prelude"`
	// Command is what it does; without one it reads its input.
	Command  []string  `json:"command,omitempty"`
	Root     bool      `json:"root,omitempty"`     // it is root, with what a preparation may
	Terminal *Terminal `json:"terminal,omitempty"` // nil: it has none
}

// ScriptPath is the file that holds the script: in the user's home or, where that is as a
// script left it and nothing is to be added, where only memory is.
func (s Shell) ScriptPath() string {
	if s.Placed {
		return "/dev/shm/" + scriptFile
	}
	return s.Build.Home + "/" + scriptFile
}

const scriptFile = "build-script"

// Terminal is what a shell is joined to.
type Terminal struct {
	Type string `json:"type"` // TERM; used if the environment knows it
	Size
}

// Size is that of a terminal, in characters.
type Size struct {
	Rows    uint16 `json:"rows"`
	Columns uint16 `json:"columns"`
}

// Source is a git checkout to place at ~/build/Dir. The packs are entries
// "source/N", with submodules' after it "source/N/M".
type Source struct {
	Dir        string                  `json:"dir"`
	URL        string                  `json:"url"`
	Ref        string                  `json:"ref"`
	Commit     string                  `json:"commit"`
	Tag        string                  `json:"tag,omitempty"`
	Pack       manifest.Blob           `json:"pack"`
	Submodules []manifest.SubmodulePin `json:"submodules,omitempty"`
}

// File is a plain input.
type File struct {
	Name string `json:"name"`
	manifest.Blob
}

// Outcome is the init's last word.
type Outcome struct {
	// Error is why it failed, for people; "" means it did not.
	Error string `json:"error,omitempty"`
	// Exit is the status of the build script, 128 + signal when killed.
	Exit int `json:"exit"`
	// Root is the digest of the listing, after Prepare.
	Root *manifest.Digest `json:"root,omitempty"`
	// OutOfMemory says that the kernel killed something of the build for want of
	// memory, OutOfProcesses that it refused a new process; as far as the
	// container's own control groups can be read.
	OutOfMemory    bool `json:"outOfMemory,omitempty"`
	OutOfProcesses bool `json:"outOfProcesses,omitempty"`
	// Wanted is what was asked for from outside, Build only; in the order of asking.
	Wanted []Wanted `json:"wanted,omitempty"`
	// Unvaried says why something of Build.Vary was not.
	Unvaried map[string]string `json:"unvaried,omitempty"`
	Seen     Seen              `json:"seen,omitzero"` // Build only
}

// Wanted is one thing outside of the container that a script asked for.
type Wanted struct {
	Name    string `json:"name,omitempty"`    // host name; or
	Address string `json:"address,omitempty"` // IP:PORT
	// Line is how many lines of Build.Script bash had read then: its current
	// command ends there. 0 means that it is not known.
	Line int `json:"line,omitempty"`
	// Commands are the command lines of the processes between bash and the one
	// that asked, that one last, cut to a few hundred bytes each. They may be
	// anything that a script can make a process's title.
	Commands []string `json:"commands,omitempty"`
}
