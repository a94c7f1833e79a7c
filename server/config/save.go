package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Save checks c and writes it to path: whole or not at all, readable by its
// owner alone, in a folder made for it if there is none. A file that is there
// is changed only where c says something else, and keeps its comments; in a new
// one, values that are as by default are left out. A link at path stays a link.
func Save(path string, c Config) error {
	d, err := Stage(path, c)
	if err != nil {
		return err
	}
	return d.Commit()
}

// Draft is a configuration that is written beside its place. One of Commit and
// Discard ends it.
type Draft struct {
	path, temp string
}

// Stage does all of [Save] that can fail for want of space, of a right or of a
// good value, so that whoever has more to do than write a file can do it before
// the file counts.
func Stage(path string, c Config) (*Draft, error) {
	c.normalise()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("save the configuration: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) > maxSize {
		text = nil
	}
	data, err := write(text, c)
	if err != nil {
		return nil, err
	}
	sweep(filepath.Dir(path))
	temp, err := stage(path, data)
	if err != nil {
		return nil, fmt.Errorf("save the configuration: %w", err)
	}
	return &Draft{path, temp}, nil
}

// Commit puts the draft in its place. Whoever reads there, and a crash, sees
// the old file or the new one.
func (d *Draft) Commit() error {
	if err := os.Rename(d.temp, d.path); err != nil {
		d.Discard()
		return fmt.Errorf("save the configuration: %w", err)
	}
	syncFolder(filepath.Dir(d.path))
	return nil
}

// Discard takes the draft away.
func (d *Draft) Discard() { _ = os.Remove(d.temp) }

// WriteFile puts data into the file at path: whole or not at all, readable by
// its owner alone, in a folder made for it if there is none. A link at path
// stays a link.
func WriteFile(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replace(path, data)
}

// replace puts data in the place of path. Whoever reads path, and a crash,
// sees the old file or the new one.
func replace(path string, data []byte) error {
	sweep(filepath.Dir(path))
	temp, err := stage(path, data)
	if err != nil {
		return err
	}
	return (&Draft{path, temp}).Commit()
}

// sweep takes away drafts that a process left which ended before it was done.
func sweep(folder string) {
	left, _ := filepath.Glob(filepath.Join(folder, ".config-*.toml"))
	for _, name := range left {
		if fi, err := os.Lstat(name); err == nil && fi.Mode().IsRegular() && time.Since(fi.ModTime()) > time.Hour {
			_ = os.Remove(name)
		}
	}
}

// stage writes data beside path and returns where.
func stage(path string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".drawbridge-*.tmp") // mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return "", err
	}
	if err = f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// syncFolder makes a rename last. Windows can't; elsewhere a file system that
// refuses has still the whole file.
func syncFolder(path string) {
	if runtime.GOOS == "windows" {
		return
	}
	if d, err := os.Open(path); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// file is config.toml as Save writes it. A nil pointer is left out.
type file struct {
	PublicURL *string      `toml:"public_url"`
	Listen    string       `toml:"listen"`
	IDP       fileIDP      `toml:"idp"`
	Tunnel    *fileTunnel  `toml:"tunnel"`
	Access    fileAccess   `toml:"access" comment:"Who may sign in. All empty: nobody."`
	Clients   *fileClients `toml:"clients"`
	Tokens    *fileTokens  `toml:"tokens"`
	Tools     *fileTools   `toml:"tools"`
	Limits    *fileLimits  `toml:"limits"`

	Servers map[string]fileServer `toml:"server,omitempty"`
}

type fileIDP struct {
	Issuer   string    `toml:"issuer"`
	ClientID string    `toml:"client_id"`
	Scopes   *[]string `toml:"scopes"`
	Audience *string   `toml:"audience"`
}

type fileTunnel struct {
	Provider   *string   `toml:"provider"`
	Domain     *string   `toml:"domain"`
	ConnectURL *string   `toml:"connect_url"`
	ConnectCAs *string   `toml:"connect_cas"`
	Proxies    *[]string `toml:"trusted_proxies"`
}

type fileAccess struct {
	Emails  []string `toml:"emails"`
	Domains []string `toml:"domains"`
	Groups  []string `toml:"groups"`
	Anyone  bool     `toml:"anyone"`

	Rules []fileRule `toml:"rule,omitempty" comment:"Who may use what. What no rule allows is refused."`
}

// fileRule tells a list that is empty from one that is left out.
type fileRule struct {
	Emails    *[]string `toml:"emails"`
	Domains   *[]string `toml:"domains"`
	Groups    *[]string `toml:"groups"`
	Servers   *[]string `toml:"servers"`
	Tools     *[]string `toml:"tools"`
	Prompts   *[]string `toml:"prompts"`
	Resources *[]string `toml:"resources"`
	ReadOnly  bool      `toml:"read_only,omitempty"`
}

type fileLimits struct {
	CallsPerMinute int `toml:"calls_per_minute"`
}

type fileServer struct {
	Ask         []string `toml:"ask,omitempty"`
	HoldChanges bool     `toml:"hold_changes,omitempty"`
	Timeout     string   `toml:"timeout,omitempty"`
	Idle        string   `toml:"idle,omitempty"`
}

type fileClients struct {
	RedirectURIs *[]string `toml:"redirect_uris"`
	Allowed      *[]string `toml:"allowed"`
	Registration bool      `toml:"registration"`
}

type fileTokens struct {
	Access  string `toml:"access"`
	Refresh string `toml:"refresh"`
}

type fileTools struct {
	Echo   bool `toml:"echo"`
	Add    bool `toml:"add"`
	Whoami bool `toml:"whoami"`
}

func marshal(c Config) ([]byte, error) {
	usual := Default()
	f := file{
		PublicURL: set(c.PublicURL),
		Listen:    c.Listen,
		IDP:       fileIDP{Issuer: c.IDP.Issuer, ClientID: c.IDP.ClientID, Audience: set(c.IDP.Audience)},
		Access:    fileAccess{c.Access.Emails, c.Access.Domains, c.Access.Groups, c.Access.Anyone, nil},
	}
	if !reflect.DeepEqual(c.IDP.Scopes, usual.IDP.Scopes) {
		f.IDP.Scopes = &c.IDP.Scopes
	}
	if t := c.Tunnel; !reflect.DeepEqual(t, usual.Tunnel) {
		f.Tunnel = &fileTunnel{set(t.Provider), set(t.Domain), set(t.ConnectURL), set(t.ConnectCAs), nil}
		if t.TrustedProxies != nil {
			f.Tunnel.Proxies = &t.TrustedProxies
		}
	}
	if !reflect.DeepEqual(c.Clients, usual.Clients) {
		f.Clients = &fileClients{Registration: c.Clients.Registration}
		if c.Clients.RedirectURIs != nil {
			f.Clients.RedirectURIs = &c.Clients.RedirectURIs
		}
		if c.Clients.Allowed != nil {
			f.Clients.Allowed = &c.Clients.Allowed
		}
	}
	if c.Tokens != usual.Tokens {
		f.Tokens = &fileTokens{short(c.Tokens.Access), short(c.Tokens.Refresh)}
	}
	if c.Tools != usual.Tools {
		f.Tools = &fileTools{c.Tools.Echo, c.Tools.Add, c.Tools.Whoami}
	}
	for _, r := range c.Access.Rules {
		f.Access.Rules = append(f.Access.Rules, fileRule{some(r.Emails), some(r.Domains), some(r.Groups),
			some(r.Servers), some(r.Tools), some(r.Prompts), some(r.Resources), r.ReadOnly})
	}
	if c.Limits != usual.Limits {
		f.Limits = &fileLimits{c.Limits.CallsPerMinute}
	}
	for name, s := range c.Servers {
		if f.Servers == nil {
			f.Servers = map[string]fileServer{}
		}
		f.Servers[name] = fileServer{s.Ask, s.HoldChanges, unlessUsual(s.Timeout), unlessUsual(s.Idle)}
	}
	return toml.Marshal(f)
}

// some is l, or nil if it is not set.
func some(l []string) *[]string {
	if l == nil {
		return nil
	}
	return &l
}

// unlessUsual prints a duration for which 0 is the usual.
func unlessUsual(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 0:
		return "never"
	}
	return short(d)
}

func set(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// short prints a duration as a person writes it: 720h, not 720h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
