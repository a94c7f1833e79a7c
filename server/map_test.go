package server_test

import (
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// It handles a package that the map forgets, and a file or package in it that
// is no longer there.
func TestMap(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{range .GoFiles}}{{.}} {{end}}{{range .IgnoredGoFiles}}{{.}} {{end}}", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages, files []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], "github.com/drawbridge-app/drawbridge/")
		for _, file := range fields[1:] {
			files = append(files, "/"+path.Join(name, file))
		}
		if name != fields[0] && !strings.HasPrefix(name, "server/e2e") {
			packages = append(packages, name)
		}
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\|").FindAllSubmatch(page, -1) {
		listed = append(listed, string(row[1]))
	}
	slices.Sort(packages)
	if slices.Sort(listed); !slices.Equal(listed, packages) {
		t.Errorf("the map lists %q\nthere are      %q", listed, packages)
	}
	for _, name := range regexp.MustCompile("`([a-z0-9_/]+\\.go)`").FindAllSubmatch(page, -1) {
		if !slices.ContainsFunc(files, func(file string) bool { return strings.HasSuffix(file, "/"+string(name[1])) }) {
			t.Errorf("the map names %s, which is not there", name[1])
		}
	}
}
