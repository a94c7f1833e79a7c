package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// Import is what of other programs' servers would go into mcp.json. Nothing is
// written until [Import.Save].
type Import struct {
	Path  string   // of mcp.json
	Files []string // those that were read
	Items []ImportItem
}

// ImportItem is one server of another program, and what becomes of it.
type ImportItem struct {
	Name string // there
	From string // the file
	// As is its name here; "" if it is left out, and then Why says why.
	As  string
	Why string
	// Set is the secrets that have to be put into the keychain before it works.
	Set   []string
	Notes []string // sentences, such as what is not taken over

	server Server
	clear  map[string]string // secrets that stand in clear there, by their name here
}

// Taken is the items that Save writes.
func (i Import) Taken() []ImportItem {
	return slices.DeleteFunc(slices.Clone(i.Items), func(item ImportItem) bool { return item.As == "" })
}

// Clear names the secrets that stand in clear there.
func (item ImportItem) Clear() []string { return slices.Sorted(maps.Keys(item.clear)) }

// Server is what would be mounted, with placeholders for its secrets: what
// somebody who takes the item decides on.
func (item ImportItem) Server() Server {
	item.server.Conceal()
	return item.server
}

// Save writes what is taken into mcp.json, one after the other; the first that
// fails ends it. Secrets that stand in clear in the other program's file go to
// store; nil leaves them as they are.
func (i Import) Save(store func(server, name, secret string) error) error {
	for _, item := range i.Taken() {
		if store != nil {
			for _, name := range slices.Sorted(maps.Keys(item.clear)) {
				if err := store(item.As, name, item.clear[name]); err != nil {
					return fmt.Errorf("import %s: put %s into the keychain: %w", code(item.Name), code(name), err)
				}
			}
			item.server.Conceal()
		}
		if err := PutServer(i.Path, item.server); err != nil {
			return fmt.Errorf("import %s: %w", code(item.Name), err)
		}
	}
	return nil
}

// Importer reads other programs' servers.
type Importer struct {
	Path   string   // of mcp.json, into which they go
	Own    []string // Drawbridge's own URLs: what leads back to it is left out
	Places Places
}

// ImportServers reads the servers of source: one of [Sources], "" for all of
// them, or a file by its path. The error is that of a file that can't be read,
// or of mcp.json; a program that is not installed is none.
func (im Importer) ImportServers(source string) (Import, error) {
	existing, err := LoadServers(im.Path)
	if err != nil {
		return Import{}, fmt.Errorf("mend mcp.json first: %w", err)
	}
	plan := Import{Path: im.Path}
	files, named := im.Places.files(source)
	for _, file := range files {
		data, err := readServers(file)
		if err == nil && data == nil && !named {
			err = fmt.Errorf("there is no file at %s", file)
		}
		if err != nil {
			return Import{}, err
		}
		if data == nil {
			continue
		}
		plan.Files = append(plan.Files, file)
		if strings.HasSuffix(file, ".toml") {
			if data, err = tomlAsJSON(file, data); err != nil {
				return Import{}, err
			}
		}
		items, err := im.read(file, data)
		if err != nil {
			return Import{}, err
		}
		existing = plan.add(items, existing)
	}
	if len(plan.Files) == 0 {
		return plan, errors.New("no servers of other programs were found here (" + strings.Join(Sources, ", ") + "): give the path of a file with `mcpServers`")
	}
	return plan, nil
}

// add plans items beside the existing servers, and returns all of them.
func (i *Import) add(items []ImportItem, existing []Server) []Server {
	for _, item := range items {
		if item.Why == "" {
			item.merge(existing)
		}
		if item.As != "" {
			existing = append(existing, item.server)
		}
		i.Items = append(i.Items, item)
	}
	return existing
}

// merge finds the name under which a server goes in beside the existing ones.
func (item *ImportItem) merge(existing []Server) {
	want := item.server
	for n := 1; ; n++ {
		suffix := ""
		if n > 1 {
			suffix = fmt.Sprintf("-%d", n)
		}
		good := GoodName(item.Name)
		want.Name = good[:min(len(good), maxName-len(suffix))] + suffix
		i := slices.IndexFunc(existing, func(s Server) bool { return strings.EqualFold(s.Name, want.Name) })
		if i < 0 {
			break
		}
		have := existing[i]
		have.Off, want.Off = false, false
		hidden := want // as an earlier import wrote it
		hidden.Conceal()
		if entry := entryOf(have); entry == entryOf(want) || entry == entryOf(hidden) {
			item.Why = "it is there already, as " + code(existing[i].Name)
			return
		}
		want.Off = item.server.Off
	}
	if len(existing) >= maxServers {
		item.Why = fmt.Sprintf("mcp.json holds %d servers already, and that is the most", maxServers)
		return
	}
	item.As, item.server = want.Name, want
	if item.As != item.Name && GoodName(item.Name) == item.Name {
		item.Notes = append(item.Notes, "another server is called "+code(item.Name)+", so it comes in as "+code(item.As))
	}
	item.clear = want.Conceal()
	item.Notes = append(item.Notes, Notes(want)...)
}

// read takes another program's file apart. What is wrong with one server leaves
// that one out; the rest of the file is not Drawbridge's to judge.
func (im Importer) read(file string, data []byte) ([]ImportItem, error) {
	r := readerOf(file, data)
	root := r.root()
	if root == nil {
		return nil, r.err()
	}
	var items []ImportItem
	for _, table := range foreignTables(root) {
		for _, m := range table.members {
			if len(items) == maxServers {
				return nil, fmt.Errorf("%s has more than %d servers", file, maxServers)
			}
			one := readerOf(file, data)
			one.foreign = true
			item := ImportItem{Name: m.name, From: file}
			m.value = table.adapt(m.value)
			item.server = one.server(m)
			if len(one.errs) > 0 {
				item.Why = one.errs[0].Msg
			} else if im.isOwn(item.server) {
				item.Why = "it is Drawbridge itself"
			} else {
				item.translate(im.Places.Home)
				item.Notes = append(item.Notes, notTaken(m.value)...)
			}
			items = append(items, item)
		}
	}
	return items, nil
}

// isOwn reports whether s leads back to this Drawbridge: by its URL, through
// mcp-remote, or by its command.
func (im Importer) isOwn(s Server) bool {
	program := strings.TrimSuffix(strings.ToLower(filepath.Base(strings.ReplaceAll(s.Command, `\`, "/"))), ".exe")
	return program == BuiltIn || slices.ContainsFunc(append([]string{s.URL}, s.Args...), im.isOwnURL)
}

func (im Importer) isOwnURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return false
	}
	path := strings.TrimSuffix(u.Path, "/")
	if path != "" && !strings.HasSuffix(path, "/mcp") {
		return false
	}
	return slices.ContainsFunc(im.Own, func(own string) bool {
		o, err := url.Parse(own)
		return err == nil && o.Host != "" && hostOf(o) == hostOf(u)
	})
}

// hostOf is host and port in one spelling; this machine has several.
func hostOf(u *url.URL) string {
	host, port := hostname.Lower(u.Hostname()), u.Port()
	if hostname.Loopback(host) {
		host = "localhost"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return host + ":" + port
}

// translate turns another program's placeholders into ours: what it would ask
// for, or take from an environment of its own, comes from the keychain.
func (item *ImportItem) translate(home string) {
	s := &item.server
	*s = s.filled(func(key, _, value string) string {
		var b strings.Builder
		for _, u := range parseUses(value) {
			kind, _, _ := strings.Cut(u.name, ":")
			_, set := os.LookupEnv(u.name)
			unset := u.kind == useEnv && !set && !u.hasFallback
			switch {
			case u.kind == useHome:
				b.WriteString(home)
			case inSecretPlace(key) && (kind == "input" || u.kind == useEnv && strings.HasPrefix(u.text, "${env:") || unset):
				name := u.name[1+strings.IndexByte(u.name, ':'):]
				b.WriteString("${keychain:" + asSecretName(strings.ToUpper(name)) + "}")
			case item.Why == "" && !(key == "args" && s.leaves(u)) && (u.refusal(key) != "" || unset):
				item.Why = "it holds a placeholder that only the other program can fill in, such as ${workspaceFolder} or an ${input:…} among its arguments: write it by hand, with the value itself"
				fallthrough
			default:
				b.WriteString(u.text)
			}
		}
		return b.String()
	})
	item.Set = Secrets(*s)
}

// Conceal puts ${keychain:NAME} in the place of secrets in clear, and returns
// them by their names.
func (s *Server) Conceal() map[string]string {
	found := make(map[string]string)
	*s = s.filled(func(key, name, value string) string {
		authorization := key == "headers" && strings.EqualFold(name, "Authorization")
		if !inSecretPlace(key) || hasUses(value) || !looksSecret(name, value) && !authorization {
			return value
		}
		scheme := ""
		if key == "headers" {
			scheme = authScheme.FindString(value)
		}
		secret := secretBehind(scheme, name)
		found[secret] = value[len(scheme):]
		return scheme + "${keychain:" + secret + "}"
	})
	return found
}

// secretBehind is what a secret is called that is the value of name, behind an
// authentication scheme if there is one.
func secretBehind(scheme, name string) string {
	if scheme != "" {
		return "TOKEN"
	}
	return asSecretName(strings.ToUpper(name))
}

var authScheme = regexp.MustCompile(`^(?i:bearer|basic|token) +`)
