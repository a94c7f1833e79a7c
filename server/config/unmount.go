package config

import "slices"

// Unmount takes the server of name out of mcp.json and its table out of the
// configuration at path, beside which mcp.json is. It returns the names of the
// secrets that the server used, which the caller deletes from the keychain.
func Unmount(path, name string) (secrets []string, err error) {
	c, broken := Load(path)
	servers, err := LoadServers(ServersPath(path))
	servers, _ = c.Mount(servers)
	if i := slices.IndexFunc(servers, func(s Server) bool { return s.Name == name }); i >= 0 {
		secrets, err = Secrets(servers[i]), nil // another server's mistake stands in nobody's way
	}
	if err == nil {
		err = RemoveServer(ServersPath(path), name)
	}
	if err != nil {
		return nil, err
	}
	if _, told := c.Servers[name]; broken != nil || !told {
		return secrets, nil
	}
	return secrets, Edit(path, func(c *Config) error {
		delete(c.Servers, name)
		return nil
	})
}
