package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"satchel/aptmirror/aptconf"
	"satchel/aptmirror/fetch"
)

// reach says how hosts are asked: archives' as apt's configuration in dir has it,
// others as the usual variables say.
func (o *online) reach(dir string) (fetch.Proxy, fetch.TLS) {
	conf, err := aptConfig(dir)
	if err != nil {
		o.ui.Stepf("not using the proxies and certificates of this machine's apt: %v", err)
		return fetch.ProxyFrom(os.Getenv), nil
	}
	for _, scheme := range []string{"http", "https"} {
		for _, name := range []string{"::Proxy-Auto-Detect", "::ProxyAutoDetect"} {
			if conf.Find("Acquire::"+scheme+name) != "" {
				o.ui.Stepf("apt's Acquire::%s%s is a program, which satchel does not run; a proxy can be given as %s_proxy", scheme, name, scheme)
			}
		}
	}
	for _, said := range fetch.AptTLSIgnored(conf.Find, o.mirrors.OwnHosts()) {
		o.ui.Step(said)
	}
	return fetch.AptProxy(conf.Find, os.Getenv, o.mirrors.Host), fetch.AptTLS(conf.Find, os.ReadFile, o.mirrors.Host)
}

// aptConfig reads apt's configuration: the parts, then the main file.
func aptConfig(dir string) (*aptconf.Config, error) {
	var c aptconf.Config
	files, err := aptParts(filepath.Join(dir, "apt.conf.d"))
	if err != nil {
		return nil, err
	}
	main := filepath.Join(dir, "apt.conf")
	text, err := os.ReadFile(main)
	switch {
	case err == nil:
		files = append(files, aptconf.File{Name: main, Text: text})
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	for _, f := range files {
		if err := c.Read(f, aptInclude); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

// aptParts reads the files of a folder that apt would.
func aptParts(dir string) ([]aptconf.File, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	var files []aptconf.File
	for _, n := range aptconf.Select(names) {
		name := filepath.Join(dir, n)
		if fi, err := os.Stat(name); err != nil || !fi.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, aptconf.File{Name: name, Text: text})
	}
	return files, nil
}

// aptInclude reads what #include names: a file, or a folder with a slash at the end.
func aptInclude(name string) ([]aptconf.File, error) {
	if strings.HasSuffix(name, "/") {
		return aptParts(name)
	}
	fi, err := os.Stat(name)
	if err == nil && !fi.Mode().IsRegular() {
		err = errors.New("it is no plain file")
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(name)
	return []aptconf.File{{Name: name, Text: text}}, err
}
