//go:build linux

package soak

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// hunter hunts for everything secret that passed.
func (s *soak) hunter() *hunter {
	secrets := s.secrets.all(s.t)
	kinds := map[string]int{}
	for _, kind := range secrets {
		kinds[kind]++
	}
	s.t.Logf("%d secrets: %v", len(secrets), kinds)
	if s.inside && kinds["assertion"] == 0 {
		s.t.Error("no assertion was noted")
	}
	for _, kind := range []string{"client secret", "authtoken", "data key", "server", "control key", "browser's code", "token", "verifier", "client's state",
		"console's code", "console's token", "identity Authorization", "provider's code", "provider's state", "provider's nonce", "provider's code_verifier",
		"provider's access_token", "provider's refresh_token", "provider's id_token"} {
		if kinds[kind] == 0 {
			s.t.Errorf("nothing was noted of this kind: %s", kind)
		}
	}
	return newHunter(secrets)
}

// clean fails the test if a secret is in text.
func (s *soak) clean(h *hunter, where string, text []byte, allowed ...string) {
	for _, found := range h.find(text, allowed...) {
		s.t.Errorf("a secret is in %s: %s", where, found)
	}
}

// cleanFiles is clean for every file of a folder, and returns how many there are.
func (s *soak) cleanFiles(h *hunter, dir string, allowed ...string) (n int) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n++
		data, err := os.ReadFile(path)
		s.clean(h, path, data, allowed...)
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
	return n
}

// searchProgram looks everywhere where the program leaves something.
func (s *soak) searchProgram(p *procWatch) {
	h := s.hunter()
	for _, args := range [][]string{{"status", "--json"}, {"status"}, {"sessions", "--json"}, {"clients", "--json"}, {"events", "--json"}, {"attempts", "--json"},
		{"attempts"}, {"doctor"}, {"logs", "files"}, {"logs", "web"}, {"access", "--as", "alice@example.com"}} {
		out, code := s.Command(args...)
		if code != 0 && args[0] != "doctor" || out == "" && args[0] != "logs" {
			s.t.Errorf("%v: exit code %d, %d bytes", args, code, len(out))
		}
		var allowed []string
		if args[0] == "status" {
			allowed = []string{"control key"} // of console_url
		}
		s.clean(h, "the output of "+strings.Join(args, " "), []byte(out), allowed...)
	}
	s.searchConsole(h)
	s.cleanFiles(h, s.Options.DataDir, "control key") // control.json, while it runs
	s.Stop()
	for dir, least := range map[string]int{s.Options.DataDir: 1, filepath.Dir(s.file): 2, s.Options.LogDir: 2, s.temp: 0} {
		if n := s.cleanFiles(h, dir); n < least {
			s.t.Errorf("%d files in %s, want %d to mean anything", n, dir, least)
		}
	}
	if log, err := os.ReadFile(filepath.Join(s.Options.LogDir, "stderr")); err != nil || bytes.Count(log, []byte("\n")) < 100 {
		s.t.Errorf("%d bytes of log, %v: too little to mean anything", len(log), err)
	}
	s.searchProcesses(h, p)
}

// searchInside is the same for the app in this process: the end of its log, its
// files, its console.
func (s *soak) searchInside() {
	h := s.hunter()
	s.searchConsole(h)
	s.Stop()
	s.clean(h, "the log", []byte(s.Log.String()))
	s.cleanFiles(h, s.Options.DataDir)
	s.cleanFiles(h, filepath.Dir(s.file))
}

func (s *soak) searchConsole(h *hunter) {
	token := s.enter(s.t)
	for _, path := range consolePages {
		s.clean(h, "the console's "+path, []byte(s.consoleSend(s.t, token, "GET", path, "").Body))
	}
	address := rig.ReadControlFile(s.t, s.App)
	for _, path := range []string{"/api/status", "/api/sessions", "/api/clients", "/api/events", "/api/attempts"} {
		s.clean(h, path, []byte(address.Get(s.t, path).Body), "control key")
	}
	for _, path := range []string{"/", "/health", "/.well-known/oauth-authorization-server"} {
		s.clean(h, "the public "+path, []byte(s.Get(s.t, path).Body))
	}
}

// searchProcesses looks at arguments, which any program on the computer can see,
// and at environments.
func (s *soak) searchProcesses(h *hunter, p *procWatch) {
	own, children := 0, map[int]bool{}
	for _, seen := range p.seen {
		var allowed []string
		switch {
		case seen.pid != p.pid:
			children[seen.pid] = true
			if seen.file == "environ" { // its own secret is a server's to know
				seen.text = strings.Replace(seen.text, "\x00TOKEN="+soakFilesToken+"\x00", "\x00", 1)
			}
		case seen.file == "environ": // the keystore here, by the person's choice
			own++
			allowed = []string{"client secret", "data key", "authtoken", "server"}
		}
		s.clean(h, fmt.Sprintf("/proc/%d/%s", seen.pid, seen.file), []byte(seen.text), allowed...)
	}
	if own == 0 || len(children) < 2 {
		s.t.Errorf("saw the environment of the app %d times, and %d processes below it", own, len(children))
	}
	s.t.Logf("looked at %d processes below the app", len(children))
}
