package aptmirror

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// snapshotForm is how snapshot services write a moment in their URLs.
const snapshotForm = "20060102T150405Z"

// snapshotServices returns the URIs, with SnapshotID in them, of the services
// that keep every state of an archive.
//
// snapshot-cloudflare.debian.org, the front of Debian's service that many may
// ask, has an archive as it was several times a day since March 2005, and redirects
// any other moment to the last one before it. What has moved to archive.debian.org goes on there as part of the archive debian-archive.
// snapshot.ubuntu.com serves every moment since 1 March 2023; its one archive
// has the architectures of ubuntu-ports too, and no other path does.
func snapshotServices(archive string) []string {
	const debian = "http://snapshot-cloudflare.debian.org/archive/"
	switch archive {
	case "debian", "debian-security":
		return []string{debian + archive + "/" + SnapshotID, debian + "debian-archive/" + SnapshotID + "/" + archive}
	case "debian-ports":
		return []string{debian + archive + "/" + SnapshotID}
	case "ubuntu", "ubuntu-ports":
		return []string{"http://snapshot.ubuntu.com/ubuntu/" + SnapshotID}
	}
	return nil
}

// ParseMoment reads a moment that a snapshot is asked for, in UTC: RFC 3339
// (2021-03-04T00:00:00Z), as snapshot services write it (20210304T000000Z), as
// gitian's reference_datetime ("2021-03-04 00:00:00"), a day, which is its first
// second (2021-03-04, 20210304), or @ and seconds since 1970.
func ParseMoment(s string) (time.Time, error) {
	if digits, ok := strings.CutPrefix(s, "@"); ok {
		if n, err := strconv.ParseUint(digits, 10, 33); err == nil {
			return time.Unix(int64(n), 0).UTC(), nil
		}
	}
	forms := []string{time.RFC3339, snapshotForm, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02", "20060102"}
	for _, form := range forms {
		t, err := time.Parse(form, s)
		if err == nil && t.Nanosecond() == 0 && t.UTC().Year() >= 1970 && t.UTC().Year() <= 9999 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is no moment: write 2021-03-04T00:00:00Z, 20210304T000000Z or 2021-03-04, in UTC", quote(s))
}

// ReleaseMoments returns moments, none after now, at which a snapshot service may
// have the very release file that is dated date, likeliest first. An archive is
// seen by a service some time after the Date that it signs, and for not longer
// than until the next one: half an hour for Ubuntu, a quarter of a day for most
// of Debian, months for a stable release.
func ReleaseMoments(date, now time.Time) []time.Time {
	return past(now, date, time.Hour, 6*time.Hour, 30*time.Minute, 3*time.Hour, 12*time.Hour, 24*time.Hour)
}

// FileMoments is ReleaseMoments for files that an archive keeps for days:
// packages, and indexes by their hash.
func FileMoments(date, now time.Time) []time.Time {
	return past(now, date, 6*time.Hour, 24*time.Hour)
}

// BuildMoments returns moments, none after now, at which a snapshot service may
// have what a build had installed whose sources are of date: builders build days
// after a tag, and update their base systems when they do.
func BuildMoments(date, now time.Time) []time.Time {
	const day = 24 * time.Hour
	return past(now, date, 12*time.Hour, 3*day, 14*day, 0)
}

func past(now, date time.Time, later ...time.Duration) []time.Time {
	var all []time.Time
	for _, d := range later {
		if at := date.Add(d); !at.After(now) {
			all = append(all, at)
		}
	}
	return all
}
