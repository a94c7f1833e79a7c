package process

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A program that is launched from a desktop knows little of what the person's
// shell does: the folders of version managers are in its PATH by a line of
// .zshrc alone.

// usualFolders are the folders where package and version managers put programs,
// whether or not they exist.
func usualFolders(home string) []string {
	var folders []string
	add := func(base string, subs ...string) {
		for _, sub := range subs {
			if base != "" {
				folders = append(folders, filepath.Join(base, filepath.FromSlash(sub)))
			}
		}
	}
	from := func(variable, usual string) string { return cmp.Or(os.Getenv(variable), usual) }
	under := func(sub string) string {
		if home == "" {
			return ""
		}
		return filepath.Join(home, filepath.FromSlash(sub))
	}
	add(home, ".local/bin", "bin", ".cargo/bin", ".bun/bin", ".deno/bin", "go/bin", ".yarn/bin", ".config/yarn/global/node_modules/.bin", ".npm-global/bin", ".npm-packages/bin",
		".dotnet/tools", ".nodebrew/current/bin", ".proto/shims", ".proto/bin", ".rye/shims", ".pixi/bin", ".jbang/bin", ".rbenv/shims", ".krew/bin")
	add(from("VOLTA_HOME", under(".volta")), "bin")
	add(from("ASDF_DATA_DIR", under(".asdf")), "shims")
	add(from("MISE_DATA_DIR", under(".local/share/mise")), "shims")
	add(from("PYENV_ROOT", under(".pyenv")), "shims")
	add(from("NODENV_ROOT", under(".nodenv")), "shims")
	add(from("N_PREFIX", under("n")), "bin")
	for _, base := range []string{os.Getenv("PNPM_HOME"), under(".local/share/pnpm"), under("Library/pnpm"), under("AppData/Local/pnpm")} {
		add(base, "", "bin")
	}
	for _, base := range []string{os.Getenv("NVM_DIR"), under(".nvm"), under(".config/nvm")} {
		folders = append(folders, nvmFolders(base)...)
	}
	for _, base := range []string{os.Getenv("FNM_DIR"), under(".local/share/fnm"), under(".fnm"), under("Library/Application Support/fnm"), under("AppData/Roaming/fnm")} {
		if base != "" {
			add(base, "aliases/default/bin", "aliases/default")
			folders = append(folders, newest(filepath.Join(base, "node-versions", "v*", "installation", "bin"))...)
		}
	}
	for _, base := range []string{"miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", ".conda"} {
		add(under(base), "bin", "condabin")
	}
	add(home, ".nix-profile/bin", ".local/state/nix/profile/bin", ".local/share/devbox/global/default/.devbox/nix/profile/default/bin")
	if runtime.GOOS == "windows" {
		add(home, "scoop/shims", "AppData/Local/Microsoft/WindowsApps", "AppData/Local/Programs/Python/Launcher")
		add(os.Getenv("ProgramFiles"), "nodejs")
		add(os.Getenv("APPDATA"), "npm", "Python/Scripts")
		add(os.Getenv("NVM_SYMLINK"), "")
		add(os.Getenv("ProgramData"), "chocolatey/bin")
		return folders
	}
	folders = append(folders, "/etc/profiles/per-user/"+os.Getenv("USER")+"/bin", "/run/current-system/sw/bin", "/nix/var/nix/profiles/default/bin", "/opt/conda/bin", "/opt/miniconda3/bin")
	switch runtime.GOOS {
	case "darwin":
		folders = append(folders, "/opt/homebrew/bin", "/opt/local/bin")
	case "linux":
		folders = append(folders, "/home/linuxbrew/.linuxbrew/bin", "/snap/bin", "/var/lib/flatpak/exports/bin")
	}
	return append(folders, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
}

// nvmFolders returns the folder of the version that nvm calls default, as `nvm
// use default` would choose it, or else of the newest.
func nvmFolders(dir string) []string {
	if dir == "" {
		return nil
	}
	all := filepath.Join(dir, "versions", "node")
	folders := []string{filepath.Join(dir, "current", "bin")} // with NVM_SYMLINK_CURRENT
	name := "default"
	for range 8 { // an alias may name another
		data, err := os.ReadFile(filepath.Join(dir, "alias", filepath.FromSlash(name)))
		if err != nil {
			break
		}
		if name = strings.TrimSpace(string(data)); name == "" || strings.Contains(name, "..") {
			break
		}
	}
	switch version := strings.TrimPrefix(name, "v"); {
	case name == "system":
		return folders
	case version != "" && version[0] >= '0' && version[0] <= '9':
		exact := filepath.Join(all, "v"+version, "bin")
		if isFolder(exact) {
			return append(folders, exact)
		}
		if found := newest(filepath.Join(all, "v"+version+".*", "bin")); found != nil {
			return append(folders, found...)
		}
	}
	return append(folders, newest(filepath.Join(all, "v*", "bin"))...)
}

// newest returns of the folders that match the one whose version, the part that
// begins with v, is the newest: v22.9.0 comes after v18.20.8, and v9 before v20.
func newest(pattern string) []string {
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		return nil
	}
	return []string{slices.MaxFunc(found, func(a, b string) int { return slices.Compare(versionIn(a), versionIn(b)) })}
}

func versionIn(path string) []int {
	for part := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		var numbers []int
		rest, ok := strings.CutPrefix(part, "v")
		for word := range strings.SplitSeq(rest, ".") {
			n, err := strconv.Atoi(word)
			if ok = ok && err == nil; !ok {
				break
			}
			numbers = append(numbers, n)
		}
		if ok {
			return numbers
		}
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
