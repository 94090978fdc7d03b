package manifest

import (
	"os"
	"strings"
	"testing"
)

// TestLockSnapshotAndWaivers: the moment of a snapshot and the checks that were
// let go are in the lock, in one form, or it is refused.
func TestLockSnapshotAndWaivers(t *testing.T) {
	sound, err := os.ReadFile("testdata/sample.lock")
	if err != nil {
		t.Fatal(err)
	}
	const date = "    date: \"2024-01-01T00:00:00Z\"\n"
	for add, want := range map[string]string{
		"    snapshot: \"2024-01-01T00:00:00Z\"\n":                                     "",
		"    snapshot: \"2024-03-01T00:00:00Z\"\n    waived:\n      - expiry\n":        "",
		"    snapshot: \"2023-12-31T23:59:59Z\"\n":                                     "x.lock:48: archives[0].snapshot: at 2023-12-31T23:59:59Z there was no Release dated",
		"    snapshot: \"20240301T000000Z\"\n":                                         "x.lock:48: archives[0].snapshot: \"20240301T000000Z\" is no time",
		"    snapshot: \"\"\n":                                                         "",
		"    waived:\n      - everything\n":                                            "x.lock:49: archives[0].waived[0]: \"everything\" is no check",
		"    waived:\n      - expiry\n      - expiry\n":                                "x.lock:50: archives[0].waived[1]: \"expiry\" is listed twice",
		"    waived: expiry\n":                                                         "x.lock:48: archives[0].waived must be a list",
		"    snapshot: \"2024-03-01T00:00:00Z\"\n    snapshot: 2024-03-01T00:00:00Z\n": "x.lock:49:",
	} {
		text := strings.Replace(string(sound), date, date+add, 1)
		l, err := ParseLock("x.lock", []byte(text))
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: got %v", add, err)
		case want == "":
			back, err := l.Marshal()
			if err != nil || add != "    snapshot: \"\"\n" && string(back) != text {
				t.Errorf("%q: it is written as\n%s\n%v", add, back, err)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%q: got %v, want %s", add, err, want)
		}
	}
}
