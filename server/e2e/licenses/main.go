// Command licenses lists the licences of everything that Drawbridge is built
// of, by system, and of what its tests install from npm. It fails on a licence
// it does not know, or one in the program that asks more of its users than to
// keep its notice.
//
//	go run ./server/e2e/licenses           # writes LICENSES.md beside it
//	go run ./server/e2e/licenses -check    # fails if that file is not as it should be
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	listFile = "server/e2e/licenses/LICENSES.md"
	lockFile = "server/e2e/package-lock.json"
)

func main() {
	check := flag.Bool("check", false, "compare instead of write")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	list, err := list()
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(listFile, list, 0o644)
	}
	have, err := os.ReadFile(listFile)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, list) {
		return fmt.Errorf("%s is out of date: run `go run ./server/e2e/licenses` and look at what changed", listFile)
	}
	return nil
}

// list returns the whole file.
func list() ([]byte, error) {
	modules, err := linked()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("# Licences\n\nWritten by `go run ./server/e2e/licenses`; CI compares.\n\n## In the program\n\n| module | version | licence | linked on |\n| --- | --- | --- | --- |\n")
	for _, m := range modules {
		names, err := recognise(m.dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.path, err)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.path, m.version, strings.Join(names, ", "), strings.Join(m.systems, ", "))
	}
	packages, err := installed(lockFile)
	if err != nil {
		return nil, err
	}
	b.WriteString("\n## In the tests alone\n\nThese npm packages are installed to test with. Nothing of them is in the program.\n\n| licence | packages |\n| --- | --- |\n")
	for _, p := range packages {
		fmt.Fprintf(&b, "| %s | %s |\n", p.license, strings.Join(p.names, ", "))
	}
	return b.Bytes(), nil
}

// module is one that the program is linked with.
type module struct {
	path, version, dir string
	systems            []string
}

// linked asks the go command, for each system the program is built for, with
// cgo and without: the tray differs by it.
func linked() ([]module, error) {
	byPath := map[string]*module{}
	for _, system := range []string{"darwin", "linux", "windows"} {
		for _, cgo := range []string{"0", "1"} {
			for _, arch := range []string{"amd64", "arm64"} {
				cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", ".")
				cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED="+cgo)
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil {
					return nil, fmt.Errorf("go list for %s: %w", system, err)
				}
				for line := range strings.Lines(string(out)) {
					f := strings.Split(strings.TrimSpace(line), "\t")
					if len(f) != 3 {
						continue
					}
					m := byPath[f[0]]
					if m == nil {
						m = &module{path: f[0], version: f[1], dir: f[2]}
						byPath[f[0]] = m
					}
					if !slices.Contains(m.systems, system) {
						m.systems = append(m.systems, system)
					}
				}
			}
		}
	}
	root, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	dir, _, _ := strings.Cut(string(root), "\n")
	modules := []module{{path: "Go's standard library", version: "of the toolchain", dir: filepath.Clean(dir), systems: []string{"darwin", "linux", "windows"}}}
	for _, m := range byPath {
		modules = append(modules, *m)
	}
	slices.SortFunc(modules[1:], func(a, b module) int { return strings.Compare(a.path, b.path) })
	return modules, nil
}
