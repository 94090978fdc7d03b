// Package sigs reads, checks and writes signed results in the layout of a
// gitian.sigs repository:
//
//	<release>/<signer>/<name>-build.assert      an assert
//	<release>/<signer>/<name>-build.assert.sig  its signature: OpenPGP, binary or armoured, or SSH
//
// and reads the one of guix.sigs, lists of sums with signatures:
//
//	<release>/<signer>/{all,noncodesigned}.SHA256SUMS{,.asc}
//
// Trees are other people's: files are bounded, links are not followed, names are
// taken apart and never joined into a path that leads elsewhere.
package sigs
