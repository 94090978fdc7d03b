package watch

import "golang.org/x/sys/unix"

// Usable tells whether the kernel can report a call and carry it out all the
// same: Linux 5.5 and later.
func Usable() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	major, minor := 0, 0
	at := 0
	for _, n := range []*int{&major, &minor} {
		for ; at < len(u.Release) && u.Release[at] >= '0' && u.Release[at] <= '9'; at++ {
			*n = *n*10 + int(u.Release[at]-'0')
		}
		at++ // the point
	}
	return major > 5 || major == 5 && minor >= 5
}
