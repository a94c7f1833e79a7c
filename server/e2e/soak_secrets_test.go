//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hunter finds many secrets, in many spellings, in much text.
type hunter struct {
	t     *testing.T
	first map[[8]byte][]prey // by how they begin
}

type prey struct{ kind, text string }

func (s *soak) hunter() *hunter {
	h := &hunter{s.t, map[[8]byte][]prey{}}
	n := 0
	for secret, kind := range s.secrets.all(s.t) {
		n++
		for form, text := range spellings(secret) {
			if len(text) >= 12 {
				key := [8]byte([]byte(text))
				h.first[key] = append(h.first[key], prey{kind + form, text})
			}
		}
	}
	s.t.Logf("%d secrets", n)
	if n < 100 {
		s.t.Errorf("%d secrets: too few to mean anything", n)
	}
	return h
}

// spellings are the ways in which a secret may be written down. Base64 has
// three of them, by what stands before; its ends depend on what is around.
func spellings(secret string) map[string]string {
	all := map[string]string{"": secret, " in hex": hex.EncodeToString([]byte(secret)), " in HEX": strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	if q := url.QueryEscape(secret); q != secret {
		all[" in a query"] = q
	}
	if raw, err := base64.StdEncoding.DecodeString(secret); err == nil && len(raw) >= 16 {
		all[" itself"] = string(raw) // such as the data key's bytes
	}
	for before := range 3 {
		text := strings.Repeat("x", before) + secret
		text = text[:len(text)/3*3]
		for name, enc := range map[string]*base64.Encoding{" in base64": base64.RawStdEncoding, " in base64url": base64.RawURLEncoding} {
			all[fmt.Sprint(name, before)] = enc.EncodeToString([]byte(text))[(before*8+5)/6:]
		}
	}
	return all
}

// search fails the test for each kind of secret in text, but for those allowed.
func (h *hunter) search(where string, text []byte, allowed func(prey) bool) {
	told := map[string]bool{}
	for i := 0; i+8 <= len(text); i++ {
		for _, p := range h.first[[8]byte(text[i:])] {
			if !told[p.kind] && bytes.HasPrefix(text[i:], []byte(p.text)) && (allowed == nil || !allowed(p)) {
				told[p.kind] = true
				h.t.Errorf("a secret is in %s: %s (%.4s…), after %q", where, p.kind, p.text, text[max(0, i-60):i])
			}
		}
	}
}

// files searches every file of a folder.
func (h *hunter) files(dir string, allowed func(prey) bool) (n int) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
			data, err := os.ReadFile(path)
			if err != nil {
				h.t.Error(err)
			}
			h.search(path, data, allowed)
		}
		return nil
	})
	return n
}

// only allows one kind of secret.
func only(kinds ...string) func(prey) bool {
	return func(p prey) bool {
		for _, kind := range kinds {
			if p.kind == kind {
				return true
			}
		}
		return false
	}
}

// searchProgram looks everywhere where the program leaves something.
func (s *soak) searchProgram(p *procWatch) {
	h := s.hunter()
	for _, args := range [][]string{{"status", "--json"}, {"sessions", "--json"}, {"clients", "--json"}, {"events", "--json"}, {"attempts", "--json"},
		{"attempts"}, {"doctor"}, {"logs", "files"}, {"logs", "web"}, {"access", "--as", "alice@example.com"}} {
		out, code := s.Command(args...)
		if code != 0 && args[0] != "doctor" || out == "" && args[0] != "logs" {
			s.t.Errorf("%v: exit code %d, %d bytes", args, code, len(out))
		}
		var allowed func(prey) bool
		if args[0] == "status" {
			allowed = only("control key") // of console_url
		}
		h.search("the output of "+strings.Join(args, " "), []byte(out), allowed)
	}
	s.searchConsole(h)
	h.files(s.Options.DataDir, only("control key")) // control.json
	s.Stop()
	if n := h.files(s.Options.DataDir, nil); n == 0 {
		s.t.Error("the data folder is empty")
	}
	for name, dir := range map[string]string{"configuration": filepath.Dir(s.file), "log": s.Options.LogDir} {
		if n := h.files(dir, nil); n < 2 {
			s.t.Errorf("%d files of the %s", n, name)
		}
	}
	h.files(s.temp, nil)
	log, _ := os.ReadFile(filepath.Join(s.Options.LogDir, "stderr"))
	if !bytes.Contains(log, []byte("level=DEBUG")) && !bytes.Contains(log, []byte("level=INFO")) {
		s.t.Errorf("%d bytes of log", len(log))
	}
	s.searchProcesses(h, p)
}

// searchInside is the same for the app in this process: its log's end, its
// files, its snapshot.
func (s *soak) searchInside() {
	h := s.hunter()
	s.searchConsole(h)
	s.Stop()
	h.search("the log", []byte(s.Log.String()), nil)
	h.files(s.Options.DataDir, nil)
	h.files(filepath.Dir(s.file), nil)
}

func (s *soak) searchConsole(h *hunter) {
	token := s.enter(s.t)
	for _, path := range consolePages {
		r := s.consoleSend(s.t, token, "GET", path, "")
		h.search("the console's "+path, []byte(r.Body), nil)
	}
	address := readControlFile(s.t, s.App)
	for _, path := range []string{"/api/snapshot", "/api/status", "/api/sessions", "/api/clients", "/api/events", "/api/attempts"} {
		h.search(path, []byte(address.get(s.t, path).Body), only("control key"))
	}
	for _, path := range []string{"/", "/health", "/.well-known/oauth-authorization-server"} {
		h.search("the public "+path, []byte(s.Get(s.t, path).Body), nil)
	}
}

// searchProcesses looks at what any program on the computer, and each child,
// could see of the others.
func (s *soak) searchProcesses(h *hunter, p *procWatch) {
	own, children := 0, map[int]bool{}
	for _, seen := range p.seen {
		var allowed func(prey) bool
		switch {
		case seen.file == "cmdline":
		case seen.pid == p.pid: // the environment is the keystore here, by the person's choice
			own++
			allowed = only("client secret", "data key", "authtoken", "server")
		case strings.Contains(seen.text, "TOKEN="+soakFilesToken):
			seen.text = strings.Replace(seen.text, "TOKEN="+soakFilesToken, "", 1) // its own
		}
		if seen.pid != p.pid {
			children[seen.pid] = true
		}
		h.search(fmt.Sprintf("/proc/%d/%s", seen.pid, seen.file), []byte(seen.text), allowed)
	}
	if own == 0 || len(children) < 2 {
		s.t.Errorf("saw the environment of the app %d times, and of %d children", own, len(children))
	}
	s.t.Logf("looked at %d processes below the app", len(children))
}
