package plan

import "satchel/aptmirror"

// urls are the addresses of a file below dists/SUITE/ of an archive.
func (p *Planner) urls(a *archive, path string) []string {
	return p.under(a, "dists/"+a.pin.Suite+"/"+path)
}

// under are the addresses of a file below an archive's top: where its release
// file came from, at other mirrors, and at snapshot services for the moment of
// that release.
func (p *Planner) under(a *archive, path string) []string {
	tops := []string{a.top}
	if p.Snapshot.IsZero() {
		tops = append(tops, p.Mirrors.Current(a.pocket, a.suite.Closed)...)
		tops = append(tops, p.Mirrors.Snapshots(a.pocket.Archive, aptmirror.FileMoments(a.release.Date, p.Now)...)...)
	} else {
		tops = append(tops, p.Mirrors.Snapshots(a.pocket.Archive, p.Snapshot)...)
		tops = append(tops, p.Mirrors.Current(a.pocket, a.suite.Closed)...)
	}
	return aptmirror.Below(tops, path)
}
