package aptmirror

import (
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tableDate is when the table of suites was last looked over.
const tableDate = "2026-11-23"

// distroInfo reads the list of a distribution's releases that Debian's package
// distro-info-data has: column by name, oldest first.
func distroInfo(t *testing.T, distro string) []map[string]string {
	t.Helper()
	f, err := os.Open("/usr/share/distro-info/" + distro + ".csv")
	if err != nil {
		need(t, "the package distro-info-data")
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, v := range row {
			m[rows[0][i]] = v
		}
		list = append(list, m)
	}
	return list
}

// TestSuitesAgainstDistroInfo: every release since squeeze and lucid is there, in
// order, and is closed once its last support that comes through the archive's own
// hosts has ended: Debian's long-term support, and whatever Canonical sells.
func TestSuitesAgainstDistroInfo(t *testing.T) {
	for distro, c := range map[string]struct {
		first string
		ends  []string
	}{
		"debian": {"squeeze", []string{"eol", "eol-lts"}},
		"ubuntu": {"lucid", []string{"eol", "eol-server", "eol-esm", "eol-legacy"}},
	} {
		last, seen := -1, 0
		names := SuiteNames(distro)
		for _, row := range distroInfo(t, distro) {
			name := row["series"]
			if name == c.first {
				last = 0
			}
			if last < 0 || row["created"] > tableDate || row["release"] == "" && name != "forky" && name != "sid" {
				continue // too old, or not there yet
			}
			s, ok := Lookup(distro, name)
			if !ok {
				t.Errorf("%s has no %s", distro, name)
				continue
			}
			seen++
			if at := age(strings.Join(names, " "), name); at < last {
				t.Errorf("%s is out of order", name)
			} else {
				last = at
			}
			end := ""
			for _, column := range c.ends {
				end = max(end, row[column])
			}
			if row["eol-legacy"] != "" { // 15 years since November 2025; the package may be older
				year, _ := strconv.Atoi(row["release"][:4])
				end = max(end, fmt.Sprint(year+15)+row["release"][4:])
			}
			if closed := end != "" && end < tableDate; closed != s.Closed {
				t.Errorf("%s: closed is %v, and its support ended %s", name, s.Closed, end)
			}
		}
		if seen < len(names)-3 {
			t.Errorf("%s: of %d suites %d were compared", distro, len(names), seen)
		}
	}
}

// keysByName are the archive keys that Debian's keyrings have, by the suite that
// each one's own name tells; gpg reads them.
func keysByName(t *testing.T) map[string][]string {
	t.Helper()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		need(t, "gpg")
	}
	all := map[string][]string{}
	for _, name := range []string{"debian-archive-keyring.gpg", "debian-archive-removed-keys.gpg"} {
		out, err := exec.Command(gpg, "--homedir", t.TempDir(), "--with-colons", "--show-keys", "/usr/share/keyrings/"+name).Output()
		if err != nil {
			need(t, name)
		}
		print := ""
		for line := range strings.Lines(string(out)) {
			f := strings.Split(line, ":")
			switch {
			case f[0] == "pub":
				print = ""
			case f[0] == "fpr" && print == "":
				print = f[9]
			case f[0] == "uid" && !strings.Contains(f[9], "Volatile"): // an archive that is no more
				for _, suite := range SuiteNames("debian") {
					if said := strings.ToLower(f[9]); strings.Contains(said, "/"+suite+")") || strings.HasPrefix(said, suite+" stable") {
						all[suite] = append(all[suite], print)
					}
				}
			}
		}
	}
	return all
}

// TestSuiteKeysByName: the keys of a suite are those that call themselves its
// own, or that of the suite before or after it; all of them, and no others.
func TestSuiteKeysByName(t *testing.T) {
	own := keysByName(t)
	names := SuiteNames("debian")
	for i, name := range names {
		var want []string
		if len(own[name]) > 0 {
			for _, near := range names[max(0, i-1):min(len(names), i+2)] {
				want = append(want, own[near]...)
			}
		}
		slices.Sort(want)
		if got := debianKeys(name); !slices.Equal(got, want) {
			t.Errorf("%s: the table has %v, Debian's keyrings %v", name, got, want)
		}
	}
	if len(own) < 8 {
		t.Errorf("the keyrings name the suites %v", own)
	}
}

// asDebootstrap prints what debootstrap does for a release of Ubuntu: its own
// script, with all that it would call but two answers left out.
const asDebootstrap = `
default_mirror() { echo "$1"; }
mirror_style() { :; }; download_style() { :; }; finddebs_style() { :; }; variants() { :; }; keyring() { :; }
doing_variant() { return 1; }; extract() { :; }
merge_usr() { echo "${MERGED_USR:-yes}"; exit; }
ARCH=amd64 SUITE=$1 CODENAME=$1 EXTRACT_DEB_TAR_OPTIONS=
. /usr/share/debootstrap/scripts/gutsy
first_stage_install
`

// TestSuitesAgainstDebootstrap: whether /usr is merged, and which suites have
// left the main mirrors. It does not know the newest of these by name.
func TestSuitesAgainstDebootstrap(t *testing.T) {
	if _, err := os.Stat("/usr/share/debootstrap/scripts/gutsy"); err != nil {
		need(t, "debootstrap")
	}
	old := 0
	for _, name := range SuiteNames("ubuntu") {
		out, err := exec.Command("sh", "-c", asDebootstrap, "sh", name).Output()
		answers := strings.Fields(string(out))
		if err != nil || len(answers) != 2 {
			t.Fatalf("asking debootstrap of %s: %v, %q", name, err, out)
		}
		s, _ := Lookup("ubuntu", name)
		if merged := answers[1] == "yes"; merged != s.MergedUsr {
			t.Errorf("%s: merged is %v, debootstrap says %s", name, s.MergedUsr, answers[1])
		}
		if strings.Contains(answers[0], "old-releases") {
			old++
			if !s.Closed || DefaultMirrors("ubuntu", true)[0] != answers[0] {
				t.Errorf("%s: closed is %v, debootstrap takes %s", name, s.Closed, answers[0])
			}
		}
	}
	if old < 10 {
		t.Errorf("debootstrap takes %d suites from the old host", old)
	}
}

// asDebootstrapOnDebian prints usrmerge for a release of Debian whose packages want
// a merged /usr: debootstrap leaves that package out then, for it has done its work.
const asDebootstrapOnDebian = `
doing_variant() { return 1; }; get_debs() { :; }
ARCH=amd64 CODENAME=$1 MIRRORS= EXCLUDE_DEPENDENCY=
. /usr/share/debootstrap/scripts/debian-common
work_out_debs
echo $EXCLUDE_DEPENDENCY
`

// TestMergedUsrAgainstDebootstrap: /usr is merged where Debian's packages want it
// so. (debootstrap itself does it in buster and bullseye, too.)
func TestMergedUsrAgainstDebootstrap(t *testing.T) {
	if _, err := os.Stat("/usr/share/debootstrap/scripts/debian-common"); err != nil {
		need(t, "debootstrap")
	}
	for _, name := range SuiteNames("debian") {
		out, err := exec.Command("sh", "-c", asDebootstrapOnDebian, "sh", name).Output()
		if err != nil {
			t.Fatalf("asking debootstrap of %s: %v", name, err)
		}
		if s, _ := Lookup("debian", name); s.MergedUsr != (strings.TrimSpace(string(out)) == "usrmerge") {
			t.Errorf("%s: merged is %v, debootstrap leaves out %q", name, s.MergedUsr, out)
		}
	}
}
