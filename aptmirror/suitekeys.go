package aptmirror

import "slices"

// debianKeys returns the fingerprints of the archive keys of a suite and its
// neighbours: each release has a key that signs automatically, from jessie on
// another one for the security archive, and one of its release managers.
// Source: debian-archive-keyring 2023.3+deb12u2, files
// debian-archive-keyring.gpg and debian-archive-removed-keys.gpg. For suites
// that are not released any key of the keyring does, as their own do not exist
// yet.
func debianKeys(suite string) []string {
	keys := []struct {
		suite string
		keys  []string
	}{
		{"squeeze", []string{
			"9FED2BCBDCD29CDF762678CBAED4B06F473041FA", // automatic
			"0E4EDE2C7F3E1FC0D033800E64481591B98321F9", // stable
		}},
		{"wheezy", []string{
			"A1BD8E9D78F7FE5C3E65D8AF8B48AD6246925553",
			"ED6D65271AACF0FF15D123036FB2A1C265FFB764",
		}},
		{"jessie", []string{
			"126C0D24BD8A2942CC7DF8AC7638D0442B90D010",
			"D21169141CECD440F2EB8DDA9D6D8F6BC857C906", // security
			"75DDC3C4A499F1A18CB5F3C8CBF8D6FD518E17E1",
		}},
		{"stretch", []string{
			"E1CF20DDFFE4B89E802658F1E0B11894F66AEC98",
			"6ED6F5CB5FA6FB2F460AE88EEDA0D2388AE22BA9",
			"067E3C456BAE240ACEE88F6FEF0F382A1A7B6500",
		}},
		{"buster", []string{
			"80D15823B7FD1561F9F7BCDDDC30D7C23CBBABEE",
			"5E61B217265DA9807A23C5FF4DFAB270CAA96DFA",
			"6D33866EDD8FFA41C0143AEDDCC9EFBF77E11517",
		}},
		{"bullseye", []string{
			"1F89983E0081FDE018F3CC9673A4F27B8DD47936",
			"AC530D520F2F3269F5E98313A48449044AAD5C5D",
			"A4285295FC7B1A81600062A9605C66F00D6C9793",
		}},
		{"bookworm", []string{
			"B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
			"05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
			"4D64FEC119C2029067D6E791F8D2585B8783D481",
		}},
		{"trixie", []string{
			"04B54C3CDCA79751B16BC6B5225629DF75B188BD",
			"5E04A1E3223A19A20706E20F9904613D4CCE68C6",
			"41587F7DB8C774BCCF131416762F67A0B2C39DE4",
		}},
	}
	for i := range keys {
		if keys[i].suite != suite {
			continue
		}
		var all []string
		for _, near := range keys[max(0, i-1):min(len(keys), i+2)] {
			all = append(all, near.keys...)
		}
		slices.Sort(all)
		return all
	}
	return nil
}

// ubuntuKeys returns the fingerprints of Ubuntu's archive keys for the suite at
// a place of ubuntuSuites. The DSA key of 2004 signed alone until precise, whose
// pockets have its signature to this day, with SHA-1, and lucid's own is of
// OpenPGP's version 3; whoever takes these must say so (Keyring.Weakly). From
// quantal to yakkety it signed beside that of 2012, and counts for nothing there.
// From groovy on the key of 2018 signs alone.
// Source: Ubuntu's package ubuntu-keyring and its changelog; Dimitri John Ledkov
// on the end of the key of 2004, December 2016; Release.gpg files of lucid,
// precise, quantal and trusty as people have quoted them.
func ubuntuKeys(n int) []string {
	const (
		key2004 = "630239CC130E1A7FD81A27B140976EAF437D05B5"
		key2012 = "790BC7277767219C42C86F933B4FE6ACC0B21F32"
		key2018 = "F6ECB3762474EDA9D21B7022871920D1991BC93C"
	)
	if n <= age(ubuntuSuites, "precise") {
		return []string{key2004, key2012, key2018}
	}
	return []string{key2012, key2018}
}
