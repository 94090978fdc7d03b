// Package pull takes images from registries (OCI distribution specification).
//
// What a tag means is the only thing that a registry is believed, once, when a
// lock is made: Resolve turns it into a digest. All that follows is named by
// digest and size, and checked while it is stored, so that any registry or
// mirror will do and none can give anything else.
package pull
