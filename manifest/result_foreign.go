package manifest

import "bytes"

// foreign tells what a file is that stands in a result's place and is something
// else: people committed what a web server, git or gpg gave them instead. It
// returns "" for what could be a result.
func foreign(data []byte) string {
	head := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	head = head[:min(len(head), 4096)]
	starts := func(s string) bool {
		return len(head) >= len(s) && bytes.EqualFold(head[:len(s)], []byte(s))
	}
	switch {
	case starts("<!doctype"), starts("<html"), starts("<head"), starts("<body"), starts("<?xml"), starts("<!--"):
		return "it is a web page, not a result: the server sent it in the file's place; fetch the raw file again"
	case starts("version https://git-lfs"):
		return "it is git-lfs's pointer to a file, not the file: run git lfs pull"
	case starts("-----BEGIN PGP"), starts("-----BEGIN SSH"):
		return "it is a signature or a signed message; give the assert itself, with its signature beside it"
	case bytes.HasPrefix(data, []byte{0x88}), bytes.HasPrefix(data, []byte{0x89}), bytes.HasPrefix(data, []byte{0xc2}):
		return "it is an OpenPGP signature; give the assert itself, with its signature beside it"
	case bytes.HasPrefix(data, []byte("<<<<<<< ")), bytes.Contains(data, []byte("\n<<<<<<< ")) && bytes.Contains(data, []byte("\n>>>>>>> ")):
		return "it has git's conflict marks: resolve the conflict first"
	}
	return ""
}
